"""Panels of sliders, lists and buttons for the notebooks, made from the settings of each stage."""
