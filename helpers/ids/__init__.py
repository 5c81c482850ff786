"""The model's dictionary, and fairseq's binary files: GPT-2 ids to dictionary indices."""
