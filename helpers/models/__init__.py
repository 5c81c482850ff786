"""Checkpoints, old and new; to Hugging Face and back; what a masked language model guesses."""
