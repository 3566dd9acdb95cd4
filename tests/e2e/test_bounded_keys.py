"""API keys as their holders use them: bound to calls and places, rotated, seen to be used; through the gateway."""

import pytest

from tests.e2e.api import Api, Refused, unique
from tests.e2e.test_refusals import refused


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


def test_a_key_works_from_where_it_may(admin: Api) -> None:
    """Elsewhere it is no key; what clients say of their address counts for nothing."""
    assert made(admin, allowed_addresses=["127.0.0.0/8", "::1"]).get("/v1/programs")
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
