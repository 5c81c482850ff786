"""The machine that models are computed on: its devices, what is free there, how fast it is."""
