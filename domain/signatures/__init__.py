"""Signatures: declared fields, what is wrong with them, and what can be made of them."""
