"""The logic behind the course: from plain text files through fairseq to a Hugging Face model.

One stage of the road is one module, one command (``python -m helpers``) and one notebook.
Importing this package costs nothing; torch, fairseq and transformers are imported where used.
"""
