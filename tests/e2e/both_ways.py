"""One request written both ways, for gRPC and for REST: a refusal is the same whichever way it was asked."""

import json
from dataclasses import dataclass, replace
from typing import Any

import grpc
import pytest
from ashgrove.areas import OptimizerArea, ProgramArea, VariablesArea, path_of
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from gateway.error_pages import HTTP
from tests.e2e.api import Api, Refused

METHODS = {
    name: method for area in (OptimizerArea, ProgramArea, VariablesArea) for name, method in area.methods().items()
}


@dataclass(frozen=True)
class Asked:
    """One request in both ways of writing it; names in braces are those of what exists."""

    rpc: str
    fields: dict[str, Any]
    method: str
    path: str
    body: Any = None
    key: str | None = None

    def filled(self, **names: str) -> "Asked":
        """Returns the request with the names of what exists."""
        text = json.dumps([self.fields, self.path, self.body])
        for name, value in names.items():
            text = text.replace("{" + name + "}", value)
        fields, path, body = json.loads(text)
        return replace(self, fields=fields, path=path, body=body)


def refused_alike(api: Api, asked: Asked) -> Refused:
    """Returns the refusal, which code, sentence, reason, metadata and the path of every wrong field have in common."""
    status = _over_grpc(api, asked)
    with pytest.raises(Refused) as refused:
        api.call(asked.method, asked.path, asked.body)
    told = ParseDict(refused.value.body, status_pb2.Status())
    assert MessageToDict(told) == MessageToDict(status)
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    assert refused.value.code == HTTP[code.name]
    return refused.value


def _over_grpc(api: Api, asked: Asked) -> status_pb2.Status:
    """Returns the status that a gRPC call ends with."""
    method = METHODS[asked.rpc]
    request = ParseDict(asked.fields, GetMessageClass(method.input_type)())
    with api.channel() as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(path_of(method))(request.SerializeToString(), metadata=api.metadata, timeout=30)
    error: Any = refused.value
    (packed,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    assert (error.code().value[0], error.details()) == (status.code, status.message)
    return status
