"""The variables service: spaces of what may be tuned, draws from them, and the configurations that people keep."""
