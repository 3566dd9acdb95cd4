"""Gaussian processes over configurations: an encoding, a regression, and what a new point promises. Imports SciPy."""
