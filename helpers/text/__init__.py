"""Students' files to documents and lines, and docstrings as a corpus."""
