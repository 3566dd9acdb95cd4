"""The audit service: an append-only, hash-chained record of every write, denial and sign-in."""
