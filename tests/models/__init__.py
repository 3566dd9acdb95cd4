"""A local OpenAI-compatible server for tests: real HTTP, scripted to stall, fail, cut and lie, and it counts."""

from tests.models.script import Cut, Reply, Say, Stall
from tests.models.server import ModelServer, model_server

__all__ = ["Cut", "ModelServer", "Reply", "Say", "Stall", "model_server"]
