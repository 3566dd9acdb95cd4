"""Language models and the running of programs on them; DSPy is imported here and nowhere else."""
