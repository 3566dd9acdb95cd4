"""Computed fields and aggregates through the gateway: over REST, by POST and GET, and by the command line."""

import json
import os
import subprocess
import sys
from typing import Any
from urllib.parse import quote, urlencode

from tests.e2e.api import Api, unique

SPACE: dict[str, Any] = {"variables": [{"name": "heat", "float": {"low": 0, "high": 1}}]}


def test_a_space_counts_its_configurations(admin: Api) -> None:
    """When the mask names the field; lists are filtered and ordered by it anyway."""
    names = [unique("counted") for _ in range(3)]
    for count, name in enumerate(names):
        space = admin.post("/v1/variableSpaces", {"name": name, **SPACE})
        for n in range(count):
            body = {"name": f"{name} {n}", "variable_space_id": space["id"], "values": {"heat": n / 2}}
            admin.post("/v1/variableConfigurations", body)
    read = admin.get(f"/v1/variableSpaces/{space['id']}?read_mask=id,configuration_count")
    assert (read["id"], read["configuration_count"]) == (space["id"], "2")
    mine = " OR ".join(f'"{name}"' for name in names)
    asked = {"filter": f"name = ({mine}) AND configuration_count > 0", "order_by": "configuration_count desc"}
    page = admin.get(f"/v1/variableSpaces?{urlencode(asked, quote_via=quote)}")
    assert [one["name"] for one in page["variable_spaces"]] == [names[2], names[1]]


def test_a_collection_is_measured(admin: Api) -> None:
    """By POST, by GET and by the command line alike; refusals name the place."""
    names = [unique("measured") for _ in range(3)]
    for name in names:
        admin.post("/v1/variableSpaces", {"name": name, **SPACE})
    mine = " OR ".join(f'"{name}"' for name in names)
    asked = {"measures": ["count()", "max(name) as last"], "group_by": ["status"], "filter": f"name = ({mine})"}
    answer = admin.post("/v1/variableSpaces:aggregate", asked)
    assert answer["rows"] == [{"keys": {"status": "STATUS_ACTIVE"}, "values": {"count": 3, "last": max(names)}}]
    assert admin.get(f"/v1/variableSpaces:aggregate?{urlencode(asked, doseq=True, quote_via=quote)}") == answer
    command = [sys.executable, "-m", "ashgrove", "aggregate", "variable_spaces", "count()", "--by", "status", "--json"]
    where = {"ASHGROVE_ADDRESS": f"127.0.0.1:{admin.port}", "ASHGROVE_API_KEY": admin.key}
    told = subprocess.run(
        [*command, "--filter", asked["filter"]], env=os.environ | where, check=True, capture_output=True
    )
    assert json.loads(told.stdout) == {"status": "STATUS_ACTIVE", "count": 3}
