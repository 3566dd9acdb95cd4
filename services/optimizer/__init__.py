"""The optimizer service: runs, trials, and the workers that find the best configuration."""
