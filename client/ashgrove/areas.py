"""The areas of the platform: each has one or more gRPC services, and no two of an area share the name of an RPC."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, ClassVar

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from ashgrove.audit.v1 import audit_service_pb2
from ashgrove.auth.v1 import auth_service_pb2
from ashgrove.optimizer.v1 import optimizer_service_pb2
from ashgrove.program.v1 import (
    connector_service_pb2,
    dataset_service_pb2,
    evaluation_service_pb2,
    execution_service_pb2,
    program_service_pb2,
)
from ashgrove.variables.v1 import component_service_pb2, variables_service_pb2


class Area:
    """The RPCs of an area over a channel, each an attribute by its name, whichever of the services has it."""

    contracts: ClassVar[Sequence[ModuleType]]
    """What the .proto files of its services became."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def __getattr__(self, rpc: str) -> Callable[..., Any]:
        """Returns what calls an RPC, made when it is first asked for."""
        if rpc not in self.methods():
            raise AttributeError(f"{type(self).__name__} has no RPC {rpc}")
        made = _callable(self._channel, self.methods()[rpc])
        setattr(self, rpc, made)
        return made

    @classmethod
    def services(cls) -> Iterator[ServiceDescriptor]:
        """Yields its gRPC services."""
        return (one for module in cls.contracts for one in module.DESCRIPTOR.services_by_name.values())

    @classmethod
    @cache
    def methods(cls) -> Mapping[str, MethodDescriptor]:
        """Returns the RPCs of all of them, by name."""
        return {method.name: method for service in cls.services() for method in service.methods}

    @classmethod
    def request(cls, rpc: str) -> type[Any]:
        """Returns the class of the message that an RPC is asked with; raises KeyError if there is no such RPC."""
        return GetMessageClass(cls.methods()[rpc].input_type)


def path_of(method: MethodDescriptor) -> str:
    """Returns what a client calls an RPC on the wire."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _callable(channel: Any, method: MethodDescriptor) -> Callable[..., Any]:
    asked, answered = ("stream" if many else "unary" for many in (method.client_streaming, method.server_streaming))
    made: Callable[..., Any] = getattr(channel, f"{asked}_{answered}")(
        path_of(method),
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return made


class ProgramArea(Area):
    """Programs and what becomes of them, datasets, and connectors to models."""

    contracts = (
        program_service_pb2,
        execution_service_pb2,
        evaluation_service_pb2,
        dataset_service_pb2,
        connector_service_pb2,
    )


class VariablesArea(Area):
    """Variable spaces, configurations, and what spaces are made of."""

    contracts = (variables_service_pb2, component_service_pb2)


class OptimizerArea(Area):
    """Optimization runs and their trials."""

    contracts = (optimizer_service_pb2,)


class AuthArea(Area):
    """Organizations, people, keys and what each may do."""

    contracts = (auth_service_pb2,)


class AuditArea(Area):
    """The trail of what was done."""

    contracts = (audit_service_pb2,)


AREAS: Sequence[type[Area]] = (ProgramArea, VariablesArea, OptimizerArea, AuthArea, AuditArea)
