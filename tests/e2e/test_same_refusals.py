"""A refusal is the same over gRPC and REST: code, sentence, reason, metadata and the path of every wrong field."""

import uuid

import pytest

from tests.e2e.api import Api, unique
from tests.e2e.both_ways import Asked, refused_alike

SPACE = {"variables": [{"name": "heat", "float": {"low": 0, "high": 1}}]}
UNKNOWN = str(uuid.uuid4())
SPACES, PROGRAMS = "/v1/variableSpaces", "/v1/programs"
CHANGE = {"description": "x"}
TABLE = {
    "nothing there": Asked("GetVariableSpace", {"id": UNKNOWN}, "GET", f"{SPACES}/{UNKNOWN}"),
    "no uuid": Asked("GetVariableSpace", {"id": "x"}, "GET", f"{SPACES}/x"),
    "no key": Asked("GetVariableSpace", {"id": UNKNOWN}, "GET", f"{SPACES}/{UNKNOWN}", key=""),
    "wrong key": Asked("GetVariableSpace", {"id": UNKNOWN}, "GET", f"{SPACES}/{UNKNOWN}", key="wrong"),
    "many wrong fields": Asked(
        "CreateProgram",
        {"program": {"name": "", "signature_config": {"inputs": [{"name": "Bad Name"}]}}},
        "POST",
        PROGRAMS,
        {"name": "", "signature_config": {"inputs": [{"name": "Bad Name"}]}},
    ),
    "a name that is taken": Asked(
        "CreateVariableSpace",
        {"variable_space": {"name": "{name}", **SPACE}},
        "POST",
        SPACES,
        {"name": "{name}", **SPACE},
    ),
    "filter": Asked("ListVariableSpaces", {"filter": "name ="}, "GET", f"{SPACES}?filter=name+%3D"),
    "order": Asked("ListVariableSpaces", {"order_by": "nothing"}, "GET", f"{SPACES}?order_by=nothing"),
    "page token": Asked("ListVariableSpaces", {"page_token": "abc"}, "GET", f"{SPACES}?page_token=abc"),
    "page size": Asked("ListVariableSpaces", {"page_size": -1}, "GET", f"{SPACES}?page_size=-1"),
    "read mask": Asked("ListVariableSpaces", {"read_mask": "noSuch"}, "GET", f"{SPACES}?read_mask=no_such"),
    "update mask": Asked(
        "UpdateVariableSpace",
        {"variable_space": {"id": "{id}", **CHANGE}, "update_mask": "noSuchField"},
        "PATCH",
        f"{SPACES}/{{id}}?update_mask=no_such_field",
        CHANGE,
    ),
    "stale etag": Asked(
        "UpdateVariableSpace",
        {"variable_space": {"id": "{id}", "etag": "77", **CHANGE}, "update_mask": "description"},
        "PATCH",
        f"{SPACES}/{{id}}?update_mask=description",
        {"etag": "77", **CHANGE},
    ),
    "archived": Asked(
        "UpdateVariableSpace",
        {"variable_space": {"id": "{archived}", **CHANGE}, "update_mask": "description"},
        "PATCH",
        f"{SPACES}/{{archived}}?update_mask=description",
        CHANGE,
    ),
    "an unknown action": Asked(
        "TestVariableSpacePermissions",
        {"ids": ["{id}"], "actions": ["Destroy"]},
        "POST",
        f"{SPACES}:testPermissions",
        {"ids": ["{id}"], "actions": ["Destroy"]},
    ),
    "nowhere to draw from": Asked(
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


@pytest.mark.parametrize("name", TABLE)
def test_it_is_refused_alike(name: str, admin: Api, existing: dict[str, str]) -> None:
    """Every row of the table."""
    asked = TABLE[name].filled(**existing)
    refused_alike(admin if asked.key is None else Api(admin.port, asked.key), asked)
