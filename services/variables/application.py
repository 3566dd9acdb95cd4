"""What the variables service needs besides its database: the program service and the optimizer, asked as the caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ashgrove.areas import OptimizerArea, ProgramArea
from grpc import aio


@dataclass(frozen=True)
class Application:
    """The stubs of the peers."""

    program: Any
    optimizer: Any


def application(channels: Mapping[str, aio.Channel]) -> Application:
    """Returns the peers behind their channels; nothing is asked of them yet."""
    return Application(ProgramArea(channels["program"]), OptimizerArea(channels["optimizer"]))
