"""Texts that installed, pinned packages carry: the same bytes on every machine."""
