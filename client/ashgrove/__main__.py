"""`python -m ashgrove`."""

from ashgrove.cli import run

run()
