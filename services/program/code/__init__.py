"""Custom programs and metrics: registered code, run in processes of its own that it can neither leave nor outlive."""
