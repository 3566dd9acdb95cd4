"""Canonical JSON as the client has it, which proves with it what services hash."""

from ashgrove.canonical import canonical

__all__ = ["canonical"]
