"""A panel for each stage, made from its settings."""
