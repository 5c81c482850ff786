"""What a training will do and need, told before it begins."""
