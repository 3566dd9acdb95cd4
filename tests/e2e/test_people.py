"""People through the gateway: invited, signed in, in two organizations; and whatever ends, ends at once."""

import threading
import uuid
from typing import Any

import pytest

from tests.e2e.api import Api, Refused, founded
from tests.e2e.waiting import until

PASSWORD = "correct horse battery"


def joined(api: Api, email: str) -> dict[str, Any]:
    """Has an administrator invite somebody, who accepts."""
    token = api.post("/v1/invitations", {"invitation": {"email": email}})["token"]
    accepting = {"token": token, "email": email, "password": PASSWORD}
    answer: dict[str, Any] = Api(api.port, "").post("/v1/auth:acceptInvitation", accepting)
    return answer


def organization_of(api: Api) -> str:
    return str(api.get("/v1/organizations")["organizations"][0]["id"])


def test_a_person_says_which_organization_a_call_is_for(admin: Api, stranger: Api) -> None:
    """At sign-in, where several ask for it, and with each call; no other organization opens."""
    email = f"{uuid.uuid4().hex}@people.test"
    here, there = joined(admin, email), joined(stranger, email)
    with pytest.raises(Refused) as refused:
        Api(admin.port, "").post("/v1/auth:signIn", {"email": email, "password": PASSWORD})
    assert refused.value.fields == {"organization_id"} and here["organization_id"] in refused.value.text
    named = {"email": email, "password": PASSWORD, "organization_id": here["organization_id"]}
    token = Api(admin.port, "").post("/v1/auth:signIn", named)["access_token"]
    for one in (here, there):
        api = Api(admin.port, token, **{"x-ashgrove-organization": one["organization_id"]})
        assert organization_of(api) == one["organization_id"]
        name = f"of {uuid.uuid4().hex}"
        made = api.post("/v1/variableSpaces", {"name": name, "variables": [{"name": "cite", "boolean": {}}]})
        assert made["owner_id"] == one["user"]["id"]
    assert organization_of(Api(admin.port, token)) == here["organization_id"]
    assert len(Api(admin.port, token).get("/v1/memberships")["memberships"]) == 2
    for wrong in (str(uuid.uuid4()), "nonsense"):
        with pytest.raises(Refused) as refused:
            organization_of(Api(admin.port, token, **{"x-ashgrove-organization": wrong}))
        assert refused.value.code == 401


@pytest.mark.parametrize("how", ["deactivated", "ended", "suspended"])
def test_keys_tokens_and_streams_end_with_what_they_stand_on(operator: Api, how: str) -> None:
    """A member who is deactivated or leaves, an organization that is suspended: all three are refused."""
    boss = founded(operator, "ending")
    person = joined(boss, f"{uuid.uuid4().hex}@people.test")
    user, token = person["user"]["id"], person["access_token"]
    key = boss.post("/v1/apiKeys", {"api_key": {"name": "k", "user_id": user}})["secret"]
    streams = [threading.Thread(target=lambda s=s: last.append(_last(Api(boss.port, s)))) for s in (key, token)]
    last: list[Any] = []
    for one in streams:
        one.start()
    if how == "deactivated":
        boss.call("PATCH", f"/v1/users/{user}?update_mask=deactivated", {"deactivated": True})
    elif how == "ended":
        boss.post(f"/v1/users/{user}:endMembership", {})
    else:
        operator.post(f"/v1/organizations/{person['organization_id']}:suspend", {"reason": "unpaid bills"})
    for one in streams:
        one.join()
    assert [frame["end"]["status"]["code"] for frame in last] == [16, 16]
    for secret in (key, token):
        with pytest.raises(Refused) as refused:
            organization_of(Api(boss.port, secret))
        assert refused.value.code == 401


def _last(api: Api) -> Any:
    """Returns the last frame of a stream that ends."""
    try:
        *_, last = api.stream("GET", "/v1/users:watch")
    except OSError:  # it was refused before it began
        last = {"end": {"status": {"code": 16}}}
    return last


def test_the_operator_sees_content_only_through_broken_glass(operator: Api, admin: Api) -> None:
    """And the organization's trail says so."""
    space = {"name": f"s {uuid.uuid4().hex}", "variables": [{"name": "cite", "boolean": {}}]}
    made = admin.post("/v1/variableSpaces", {**space, "visibility": "VISIBILITY_PUBLIC"})["id"]
    with pytest.raises(Refused) as refused:
        operator.get(f"/v1/variableSpaces/{made}")
    assert refused.value.code == 404
    reason = f"support ticket {uuid.uuid4().hex}"
    glass = operator.post(f"/v1/organizations/{organization_of(admin)}:breakGlass", {"reason": reason})
    guest = Api(operator.port, glass["secret"])
    assert guest.get(f"/v1/variableSpaces/{made}")["id"] == made
    with pytest.raises(Refused) as refused:
        guest.post("/v1/variableSpaces", space)
    assert refused.value.code == 403
    until(lambda: reason in str(admin.get("/v1/auditEntries?page_size=50")))
