"""Cannot be imported."""

raise RuntimeError(f"no licence in {__file__}")
