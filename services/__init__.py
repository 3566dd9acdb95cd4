"""The services: each its own process, schema and roles; none imports another."""
