"""What every resource can do, over REST through the gateway: filters, masks, totals, trials, replays, permissions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.api import Api, Refused, unique

SPACE = {"variables": [{"name": "heat", "float": {"low": 0, "high": 1}}]}


def listed(api: Api, **query: object) -> Any:
    """Returns a page of spaces."""
    return api.get(f"/v1/variableSpaces?{urlencode(query, quote_via=quote)}")


def test_a_list_is_filtered_masked_and_counted(admin: Api) -> None:
    """By query parameters."""
    names = [unique("reading") for _ in range(2)]
    made = [admin.post("/v1/variableSpaces", {"name": name, **SPACE}) for name in names]
    asked = f'name = ("{names[0]}" OR "{names[1]}") AND created_at > ago(1h) AND variables.name:"heat"'
    page = listed(admin, filter=asked, order_by="archived_at nulls first, name", page_size=1, show_total_size="true")
    assert (page["total_size"], bool(page["next_page_token"])) == (2, True)
    masked = listed(admin, filter=asked, order_by="created_at", read_mask="id,name")
    # What a mask leaves out is empty in JSON, which shows every plain field.
    assert [(one["id"], one["name"], one["variables"]) for one in masked["variable_spaces"]] == [
        (one["id"], one["name"], []) for one in made
    ]
    part = admin.get(f"/v1/variableSpaces/{made[0]['id']}?read_mask=size")
    assert (part["size"], part["name"]) == (made[0]["size"], "")
    with pytest.raises(Refused) as refused:
        listed(admin, filter="name = a b")
    assert refused.value.fields == {"filter"} and "at position 10" in refused.value.text


def test_a_write_can_be_tried_and_sent_twice(admin: Api) -> None:
    """Only one space comes of it."""
    body = {"name": unique("twice"), **SPACE}
    tried = admin.post("/v1/variableSpaces?validate_only=true", body)
    assert tried["name"] == body["name"] and not tried.get("id")
    path = f"/v1/variableSpaces?{urlencode({'request_id': unique('once')}, quote_via=quote)}"
    made = admin.post(path, body)
    assert admin.post(path, body) == made
    with pytest.raises(Refused) as refused:
        admin.post(path, {**body, "description": "another"})
    assert refused.value.fields == {"request_id"}


def test_permissions_are_tested_and_explained(admin: Api) -> None:
    """In one call each."""
    made = admin.post("/v1/variableSpaces", {"name": unique("mine"), **SPACE})
    asked = {"ids": [made["id"]], "actions": ["UpdateVariableSpace", "Get"]}
    answer = admin.post("/v1/variableSpaces:testPermissions", asked)
    assert answer["permissions"] == [{"id": made["id"], "actions": asked["actions"], "forbidden_fields": []}]
    viewer = {"user_id": made["id"], "role": "ROLE_VIEWER"}
    why = admin.post(
        "/v1/variableSpaces:explainAccess", {"id": made["id"], "action": "UpdateVariableSpace", "subject": viewer}
    )
    assert why["outcome"] == "OUTCOME_HIDDEN" and why["policies"]


def test_a_collection_is_exported_and_the_export_resumed(admin: Api, tmp_path: Path) -> None:
    """As JSON lines, and by the command line into a file."""
    names = [unique("exported") for _ in range(3)]
    for name in names:
        admin.post("/v1/variableSpaces", {"name": name, **SPACE})
    asked = {"filter": f'name = ("{names[0]}" OR "{names[1]}" OR "{names[2]}")', "order_by": "created_at"}
    path = f"/v1/variableSpaces:export?{urlencode(asked)}"
    *items, end = admin.stream("GET", path)
    assert [one["item"]["resource"]["name"] for one in items] == names and "end" in end
    assert items[0]["item"]["resource"]["@type"] == "type.googleapis.com/ashgrove.variables.v1.VariableSpace"
    *rest, _ = admin.stream("GET", f"{path}&{urlencode({'resume_token': items[0]['item']['resume_token']})}")
    assert rest == [{"item": {**one["item"], "resume_token": ANY}} for one in items[1:]]
    out = tmp_path / "spaces.jsonl"
    command = [sys.executable, "-m", "ashgrove", "export", "variable_spaces", "--out", str(out)]
    where = {"ASHGROVE_ADDRESS": f"127.0.0.1:{admin.port}", "ASHGROVE_API_KEY": admin.key}
    asked_for = ["--filter", asked["filter"], "--order-by", asked["order_by"], "--field", "name"]
    subprocess.run([*command, *asked_for], env=os.environ | where, check=True)
    assert [json.loads(line) for line in out.read_text().splitlines()] == [{"name": name} for name in names]


def test_what_belongs_to_a_resource_comes_with_it(admin: Api) -> None:
    """As JSON of its own type, page by page, and lists are filtered and sorted by it."""
    name = unique("including")
    space = admin.post("/v1/variableSpaces", {"name": name, **SPACE})
    for heat in (0.25, 0.75):
        body = {"name": f"{name} {heat}", "variable_space_id": space["id"], "values": {"heat": heat}}
        admin.post("/v1/variableConfigurations", body)
    path = f"/v1/variableSpaces/{space['id']}?include="
    asked = 'configurations(order_by="values.heat desc", page_size=1'
    (first,) = admin.get(path + quote(f"{asked})"))["included"]
    (second,) = admin.get(path + quote(f'{asked}, page_token="{first["next_page_token"]}")'))["included"]
    found = [*first["resources"], *second["resources"]]
    assert [one["values"] for one in found] == [{"heat": 0.75}, {"heat": 0.25}] and not second["next_page_token"]
    assert {one["@type"] for one in found} == {"type.googleapis.com/ashgrove.variables.v1.VariableConfiguration"}
    (listing,) = listed(admin, filter=f'configurations.name = "{name} 0.25"', include="configurations")[
        "variable_spaces"
    ]
    assert [len(one["resources"]) for one in listing["included"]] == [2]
    asked = {"filter": f'variable_space.name = "{name}"', "order_by": "variable_space.name, values.heat"}
    page = admin.get(f"/v1/variableConfigurations?{urlencode({**asked, 'include': 'variable_space'}, quote_via=quote)}")
    assert [one["values"]["heat"] for one in page["variable_configurations"]] == [0.25, 0.75]
    assert {one["included"][0]["resources"][0]["name"] for one in page["variable_configurations"]} == {name}
    with pytest.raises(Refused) as refused:
        admin.get(path + quote("configurations(page_size=0)"))
    assert refused.value.fields == {"include[0]"} and "at position 26" in refused.value.text
