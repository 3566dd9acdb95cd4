"""The program service: keeps programs and datasets, and runs the ones on the others."""
