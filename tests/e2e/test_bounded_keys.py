"""API keys as their holders use them: bound to calls and places, rotated, seen to be used; through the gateway."""

import json
from http.client import HTTPConnection
from urllib.parse import quote

import pytest

from tests.e2e.api import Api, Refused, unique
from tests.e2e.conftest import GUESSES, Stack
from tests.e2e.test_refusals import refused
from tests.e2e.waiting import until

SPACE = [{"name": "heat", "float": {"low": 0, "high": 1}}]
ELSEWHERE = "127.0.0.9"


def made(admin: Api, **fields: object) -> Api:
    """Returns a caller with a new key of the administrator's."""
    answer = admin.post("/v1/apiKeys", {"api_key": {"name": unique("key"), **fields}})
    return Api(admin.port, answer["secret"])


def test_a_key_with_scopes_does_what_they_say_and_nothing_else(admin: Api) -> None:
    """Whatever its user may; an access token made of it no more."""
    key = made(admin, scopes=["programs:read", "ListDatasets"])
    token = key.post("/v1/auth:authenticate", {"api_key": key.key})["access_token"]
    for caller in (key, Api(admin.port, token)):
        assert "programs" in caller.get("/v1/programs") and "datasets" in caller.get("/v1/datasets")
        for method, path, body in (
            ("GET", "/v1/variableSpaces", None),
            ("POST", "/v1/programs", {"name": "x"}),
            ("POST", "/v1/apiKeys", {"api_key": {"name": "wider"}}),
        ):
            refusal = refused(caller, method, path, body)
            assert (refusal.code, refusal.reason) == (403, "NOT_PERMITTED")


def test_a_key_works_from_where_it_may(stack: Stack, admin: Api) -> None:
    """Elsewhere it is no key; what clients say of their address counts for nothing."""
    assert made(admin, allowed_addresses=["127.0.0.1", "::1"]).get("/v1/programs")
    assert asked(stack, "application/json", made(admin, allowed_addresses=[ELSEWHERE]).key)[0] == 200
    assert asked(stack, "application/json", made(admin, allowed_addresses=["127.0.0.1"]).key)[0] == 401
    away = made(admin, allowed_addresses=["192.0.2.0/24"])
    spoofed = Api(admin.port, away.key, **{"x-ashgrove-internal-address": "192.0.2.1", "x-forwarded-for": "192.0.2.1"})
    for caller in (away, spoofed):
        assert refused(caller, "GET", "/v1/programs").code == 401
        assert refused(caller, "POST", "/v1/auth:authenticate", {"api_key": caller.key}).code == 401


def test_a_rotated_key_and_its_successor_overlap(admin: Api) -> None:
    """Without an overlap, the old one ends at once."""
    old = admin.post("/v1/apiKeys", {"api_key": {"name": unique("key")}})
    new = admin.post(f"/v1/apiKeys/{old['api_key']['id']}:rotate", {})
    for secret in (old["secret"], new["secret"]):
        assert Api(admin.port, secret).get("/v1/programs")
    last = admin.post(f"/v1/apiKeys/{new['api_key']['id']}:rotate", {"overlap_seconds": 0})
    assert Api(admin.port, last["secret"]).get("/v1/programs")
    with pytest.raises(Refused) as ended:
        admin.post(f"/v1/apiKeys/{new['api_key']['id']}:rotate", {})
    assert ended.value.reason == "ILLEGAL_STATE"


def asked(stack: Stack, kind: str, key: str) -> tuple[int, str | None, str]:
    """Returns status, gRPC status and body of a call that comes from a loopback address of its own."""
    connection = HTTPConnection("127.0.0.1", stack.port, timeout=60, source_address=(ELSEWHERE, 0))
    headers = {"authorization": f"Bearer {key}", "content-type": kind}
    path = "/ashgrove.program.v1.ProgramService/ListPrograms" if "grpc" in kind else "/v1/programs"
    connection.request("POST" if "grpc" in kind else "GET", path, headers=headers)
    answer = connection.getresponse()
    told = answer.status, answer.headers.get("grpc-status"), answer.read().decode()
    connection.close()
    return told


def test_guessing_keys_has_its_pace(stack: Stack, admin: Api) -> None:
    """After many wrong keys an address waits, in both protocols; from elsewhere nobody is concerned."""
    codes = [asked(stack, "application/json", "guess")[0] for _ in range(GUESSES)]
    while codes[-1] == 401:
        codes.append(asked(stack, "application/json", "guess")[0])
    assert set(codes) == {401, 429}
    while (over_grpc := asked(stack, "application/grpc", "guess"))[1] == "16":
        pass
    assert over_grpc[:2] == (200, "8")
    while (refusal := asked(stack, "application/json", "guess"))[0] == 401:
        pass
    assert "LIMIT_REACHED" in refusal[2] and "retry_delay" in refusal[2]
    assert asked(stack, "application/json", admin.key)[0] == 200
    assert refused(Api(stack.port, "guess"), "GET", "/v1/programs").code == 401


def test_the_trail_tells_from_where_with_what_and_as_whom(admin: Api) -> None:
    """As of then; and the chain holds."""
    caller = made(admin)
    key = Api(admin.port, caller.key, **{"user-agent": "trail-test/1"})
    space = key.post("/v1/variableSpaces", {"name": unique("told"), "variables": SPACE})["id"]
    key.call("PATCH", f"/v1/variableSpaces/{space}", {"description": "changed"})
    path = f"/v1/auditEntries?order_by=sequence&filter={quote(f'resource_id = {json.dumps(space)}')}"
    entries = until(lambda: len(found := admin.get(path)["audit_entries"]) >= 2 and found)
    for entry in entries:
        assert (entry["client_address"], entry["user_agent"]) == ("127.0.0.1", "trail-test/1")
        assert entry["actor"]["label"].startswith("admin@")
    assert entries[1]["changed_paths"] == ["description"] and entries[1]["data"]["description"] == "changed"
    verdict = admin.post("/v1/auditEntries:verify", {})
    assert verdict["valid"] and not verdict["fault"]
