"""The second job: code instead of a model, and two objectives instead of one."""
