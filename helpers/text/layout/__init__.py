"""How a text is laid out: lines to paragraphs, and chapters to documents."""
