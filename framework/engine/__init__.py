"""The engine: what happens between a message that came in and the message that goes out."""

from framework.engine.calls import Call
from framework.engine.dispatch import Engine
from framework.engine.related import of_readable

__all__ = ["Call", "Engine", "of_readable"]
