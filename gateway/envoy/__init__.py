"""Envoy's configuration: a template, and what renders it."""
