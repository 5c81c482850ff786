"""A RoBERTa as Hugging Face has it: its folder is written, read, and compared with fairseq."""
