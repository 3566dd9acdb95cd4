"""Retention: what executions keep no longer goes from them, and what is too old goes whole."""
