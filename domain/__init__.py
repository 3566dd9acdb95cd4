"""The pure heart: values, spaces, draws, objectives, strategies and metrics; no network, no database, no clock."""
