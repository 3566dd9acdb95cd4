"""Secrets that the operator keeps and organizations may only name."""

from framework.secrets.references import SecretReferences

__all__ = ["SecretReferences"]
