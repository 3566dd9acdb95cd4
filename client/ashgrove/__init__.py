"""The Python client of Ashgrove: `from ashgrove.client import Client`; the stubs lie beside it."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Returns `Client`, imported only when somebody asks for it: services import the stubs without the client."""
    if name == "Client":
        from ashgrove.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
