"""Checkpoints, old and new, and what a masked language model guesses."""
