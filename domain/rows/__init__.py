"""Rows of examples: cut out of the bytes of files, read, typed, and divided into splits."""
