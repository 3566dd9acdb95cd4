"""What the variables service needs besides its database: the program service, asked as the caller."""

from dataclasses import dataclass
from typing import Any

from ashgrove.program.v1.program_service_pb2_grpc import ProgramServiceStub
from grpc import aio

from framework.rpc.channels import channel_to


@dataclass(frozen=True)
class Application:
    """The peer and its channel."""

    program: Any
    channel: aio.Channel


def application(program_address: str) -> Application:
    """Connects to the program service; nothing is asked of it yet."""
    channel = channel_to(program_address)
    return Application(ProgramServiceStub(channel), channel)
