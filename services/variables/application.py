"""What the variables service needs besides its database: the program service and the optimizer, asked as the caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ashgrove.optimizer.v1.optimizer_service_pb2_grpc import OptimizerServiceStub
from ashgrove.program.v1.program_service_pb2_grpc import ProgramServiceStub
from grpc import aio


@dataclass(frozen=True)
class Application:
    """The stubs of the peers."""

    program: Any
    optimizer: Any


def application(channels: Mapping[str, aio.Channel]) -> Application:
    """Returns the peers behind their channels; nothing is asked of them yet."""
    return Application(ProgramServiceStub(channels["program"]), OptimizerServiceStub(channels["optimizer"]))
