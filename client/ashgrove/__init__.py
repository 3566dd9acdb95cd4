"""The Python client of Ashgrove: `from ashgrove.client import Client`; the stubs lie beside it."""
