"""A refusal is the same over gRPC and REST: code, sentence, reason, metadata and the path of every wrong field."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from ashgrove.program.v1.program_service_pb2 import DESCRIPTOR as PROGRAM
from ashgrove.variables.v1.variables_service_pb2 import DESCRIPTOR as VARIABLES
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from gateway.error_pages import HTTP
from tests.e2e.api import Api, Refused, unique

SERVICES = {**PROGRAM.services_by_name, **VARIABLES.services_by_name}
SPACE = {"variables": [{"name": "heat", "float": {"low": 0, "high": 1}}]}
UNKNOWN = str(uuid.uuid4())


@dataclass(frozen=True)
class Asked:
    """One request in both ways of writing it; `{id}`, `{etag}` and `{archived}` are those of spaces that exist."""

    service: str
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
        return Asked(self.service, self.rpc, fields, self.method, path, body, self.key)


V, P = "VariablesService", "ProgramService"
SPACES, PROGRAMS = "/v1/variableSpaces", "/v1/programs"
CHANGE = {"description": "x"}
TABLE = {
    "nothing there": Asked(V, "GetVariableSpace", {"id": UNKNOWN}, "GET", f"{SPACES}/{UNKNOWN}"),
    "no uuid": Asked(V, "GetVariableSpace", {"id": "x"}, "GET", f"{SPACES}/x"),
    "no key": Asked(V, "GetVariableSpace", {"id": UNKNOWN}, "GET", f"{SPACES}/{UNKNOWN}", key=""),
    "wrong key": Asked(V, "GetVariableSpace", {"id": UNKNOWN}, "GET", f"{SPACES}/{UNKNOWN}", key="wrong"),
    "many wrong fields": Asked(
        P,
        "CreateProgram",
        {"program": {"name": "", "signature_config": {"inputs": [{"name": "Bad Name"}]}}},
        "POST",
        PROGRAMS,
        {"name": "", "signature_config": {"inputs": [{"name": "Bad Name"}]}},
    ),
    "a name that is taken": Asked(
        V,
        "CreateVariableSpace",
        {"variable_space": {"name": "{name}", **SPACE}},
        "POST",
        SPACES,
        {"name": "{name}", **SPACE},
    ),
    "filter": Asked(V, "ListVariableSpaces", {"filter": "name ="}, "GET", f"{SPACES}?filter=name+%3D"),
    "order": Asked(V, "ListVariableSpaces", {"order_by": "nothing"}, "GET", f"{SPACES}?order_by=nothing"),
    "page token": Asked(V, "ListVariableSpaces", {"page_token": "abc"}, "GET", f"{SPACES}?page_token=abc"),
    "page size": Asked(V, "ListVariableSpaces", {"page_size": -1}, "GET", f"{SPACES}?page_size=-1"),
    "read mask": Asked(V, "ListVariableSpaces", {"read_mask": "noSuch"}, "GET", f"{SPACES}?read_mask=no_such"),
    "update mask": Asked(
        V,
        "UpdateVariableSpace",
        {"variable_space": {"id": "{id}", **CHANGE}, "update_mask": "noSuchField"},
        "PATCH",
        f"{SPACES}/{{id}}?update_mask=no_such_field",
        CHANGE,
    ),
    "stale etag": Asked(
        V,
        "UpdateVariableSpace",
        {"variable_space": {"id": "{id}", "etag": "77", **CHANGE}, "update_mask": "description"},
        "PATCH",
        f"{SPACES}/{{id}}?update_mask=description",
        {"etag": "77", **CHANGE},
    ),
    "archived": Asked(
        V,
        "UpdateVariableSpace",
        {"variable_space": {"id": "{archived}", **CHANGE}, "update_mask": "description"},
        "PATCH",
        f"{SPACES}/{{archived}}?update_mask=description",
        CHANGE,
    ),
    "an unknown action": Asked(
        V,
        "TestVariableSpacePermissions",
        {"ids": ["{id}"], "actions": ["Destroy"]},
        "POST",
        f"{SPACES}:testPermissions",
        {"ids": ["{id}"], "actions": ["Destroy"]},
    ),
    "nowhere to draw from": Asked(
        V,
        "GenerateConfigurations",
        {"variable_space_id": "{archived}", "count": 1},
        "POST",
        f"{SPACES}/{{archived}}:generateConfigurations",
        {"count": 1},
    ),
}


@pytest.fixture(scope="module")
def existing(admin: Api) -> dict[str, str]:
    """A space that is in use, and one that is archived."""
    name = unique("same")
    space = admin.post(SPACES, {"name": name, **SPACE})
    archived = admin.post(SPACES, {"name": unique("archived"), **SPACE})["id"]
    admin.post(f"{SPACES}/{archived}:archive", {})
    return {"id": space["id"], "name": name, "archived": archived}


def over_grpc(api: Api, asked: Asked) -> status_pb2.Status:
    """Returns the status that a gRPC call ends with."""
    method = SERVICES[asked.service].methods_by_name[asked.rpc]
    request = ParseDict(asked.fields, GetMessageClass(method.input_type)())
    with api.channel() as channel, pytest.raises(grpc.RpcError) as refused:
        path = f"/{SERVICES[asked.service].full_name}/{asked.rpc}"
        channel.unary_unary(path)(request.SerializeToString(), metadata=api.metadata, timeout=30)
    error: Any = refused.value
    (packed,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    assert (error.code().value[0], error.details()) == (status.code, status.message)
    return status


@pytest.mark.parametrize("name", TABLE)
def test_it_is_refused_alike(name: str, admin: Api, existing: dict[str, str]) -> None:
    """Every row of the table."""
    asked = TABLE[name].filled(**existing)
    api = admin if asked.key is None else Api(admin.port, asked.key)
    status = over_grpc(api, asked)
    with pytest.raises(Refused) as refused:
        api.call(asked.method, asked.path, asked.body)
    told = ParseDict(refused.value.body, status_pb2.Status())
    assert MessageToDict(told) == MessageToDict(status)
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    assert refused.value.code == HTTP[code.name]
