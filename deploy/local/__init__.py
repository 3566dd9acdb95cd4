"""The embedded stack: every server a real process on loopback, from wheels alone."""
