"""What a stage is: its workspace and record, its settings, and when its work is done again."""
