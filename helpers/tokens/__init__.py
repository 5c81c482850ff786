"""GPT-2's byte-pair encoding: lines to GPT-2 ids, and lines that are too long."""
