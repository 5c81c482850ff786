"""How well models guess hidden tokens, each with the interval in which the truth may lie."""
