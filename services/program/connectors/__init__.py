"""Connectors: the models that programs ask, found by name, spoken to over HTTP, checked and shared."""
