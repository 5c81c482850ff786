"""The panels of the tokenization explorer."""
