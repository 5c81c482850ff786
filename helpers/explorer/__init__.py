"""What becomes of a text on its way to tokens: for looking, not for training."""
