"""The gateway: what stands between clients and services; it imports no service."""
