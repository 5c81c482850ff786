"""What others take away: a model card, a page of the result, the folder as one file."""
