"""Tokens, merges and masks as HTML that needs nothing else."""
