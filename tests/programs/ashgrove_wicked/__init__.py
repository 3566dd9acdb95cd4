"""Custom programs and metrics that do everything wrong, and some that do it right; registered beside this package."""
