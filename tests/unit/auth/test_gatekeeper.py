"""ext_authz: from memory, a credential becomes an identity or the call ends here."""

import base64
import json
import time
from dataclasses import replace
from ipaddress import ip_network

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from envoy.service.auth.v3 import external_auth_pb2
from google.rpc import error_details_pb2, status_pb2

from framework.call import Role
from framework.identifiers import new_id
from services.auth import keys
from services.auth.authz import ADDRESS, Authorization
from services.auth.buckets import Buckets
from services.auth.credentials import Credential, Credentials
from services.auth.gatekeeper import Gatekeeper
from services.auth.keyring import single
from services.auth.limits import Limits, Rate, Rates
from services.auth.refusals import Refusals
from services.auth.tokens import AccessClaims, Tokens

PEPPER = b"pepper"
GET = "/ashgrove.program.v1.ProgramService/GetProgram"


class World:
    """One key of one user, and a gate that knows it."""

    def __init__(self) -> None:
        self.key = keys.new_key()
        self.credential = Credential(
            new_id(), keys.digest(self.key, PEPPER), new_id(), new_id(), Role.USER, False, True, None
        )
        self.tokens = Tokens(single(Ed25519PrivateKey.generate()), access_seconds=900, identity_seconds=60)
        self.credentials = Credentials()
        self.gatekeeper = Gatekeeper(self.credentials, self.tokens, PEPPER)
        self.age = 0.0
        self.buckets = Buckets("redis://127.0.0.1:1/0")
        self.rates = Rates()
        self.refusals = Refusals(None)  # type: ignore[arg-type] # no test writes them
        self.renewals = 0
        self.change()

    def change(self, **changes: object) -> None:
        self.credential = replace(self.credential, **changes)  # type: ignore[arg-type]
        self.credentials.learn([self.credential])
        self.gatekeeper.forget()

    def access_token(self) -> str:
        c = self.credential
        return self.tokens.issue_access(AccessClaims(c.user_id, c.organization_id, c.api_key_id)).text

    async def check(self, path: str = GET, source: str = "", **headers: str) -> external_auth_pb2.CheckResponse:
        request = external_auth_pb2.CheckRequest()
        request.attributes.request.http.path = path
        request.attributes.source.address.socket_address.address = source
        request.attributes.request.http.headers.update({k.replace("_", "-"): v for k, v in headers.items()})
        authorization = Authorization(
            self.gatekeeper, Limits(self.buckets, self.rates), self.refusals, lambda: self.age, 900, self.renew
        )
        return await authorization.Check(request, None)  # type: ignore[arg-type]

    async def renew(self) -> None:
        self.renewals += 1


@pytest.fixture
def world() -> World:
    return World()


def identity(response: external_auth_pb2.CheckResponse, world: World) -> dict[str, object]:
    passed = {h.header.key: h.header.value for h in response.ok_response.headers}
    assert passed.keys() == {"authorization", ADDRESS}
    token = passed["authorization"].removeprefix("Bearer ")
    return jwt.decode(token, jwt.PyJWK(world.tokens.jwks()[0]), algorithms=["EdDSA"], audience="internal")


async def test_a_key_and_its_access_token_become_the_same_identity(world: World) -> None:
    """Both kinds of credential lead to one identity token for the services behind."""
    for secret in (world.key, world.access_token()):
        claims = identity(await world.check(authorization=f"Bearer {secret}"), world)
        assert claims["sub"] == str(world.credential.user_id)
        assert claims["org"] == str(world.credential.organization_id)
        assert claims["cred"] == str(world.credential.api_key_id)


async def test_an_identity_token_is_no_credential_at_the_gateway(world: World) -> None:
    """Tokens of the inner audience do not come in from outside."""
    inner = world.tokens.issue_identity(world.credential.actor()).text
    assert (await world.check(authorization=f"Bearer {inner}")).HasField("denied_response")


@pytest.mark.parametrize("change", [{"active": False}, {"expires_at": 1.0}], ids=["revoked or deactivated", "expired"])
async def test_x78_a_key_that_no_longer_holds_takes_its_access_tokens_along(
    world: World, change: dict[str, object]
) -> None:
    """X-78: revocation, expiry and deactivation end keys and sessions alike."""
    token = world.access_token()
    world.change(**change)
    for secret in (world.key, token):
        assert (await world.check(authorization=f"Bearer {secret}")).HasField("denied_response")


async def test_x81_all_refusals_are_the_same_answer(world: World) -> None:
    """X-81: unknown, malformed, missing, expired and inactive are told in the same words."""
    answers = [
        await world.check(**({"authorization": value} if value else {}))
        for value in (
            "",
            "Bearer ",
            f"Bearer {keys.new_key()}",
            "Bearer nonsense",
            f"Basic {world.key}",
            "Bearer a.b.c",
        )
    ]
    world.change(active=False)
    answers.append(await world.check(authorization=f"Bearer {world.key}"))
    assert all(a.HasField("denied_response") for a in answers)
    assert len({a.SerializeToString(deterministic=True) for a in answers}) == 1


async def test_x75_a_changed_role_is_in_the_very_next_identity(world: World) -> None:
    """X-75: a demotion does not wait for a token to end."""
    await world.check(authorization=f"Bearer {world.key}")
    world.change(role=Role.VIEWER)
    assert identity(await world.check(authorization=f"Bearer {world.key}"), world)["role"] == "viewer"


async def test_an_identity_is_remembered_for_half_its_life(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One signature serves many calls, and no token reaches a service about to expire."""
    first = await world.check(authorization=f"Bearer {world.key}")
    assert await world.check(authorization=f"Bearer {world.key}") == first
    later = time.time() + 40
    monkeypatch.setattr(time, "time", lambda: later)
    assert await world.check(authorization=f"Bearer {world.key}") != first


async def test_a_remembered_identity_does_not_outlive_its_access_token(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An access token that has ended is refused although its identity was remembered."""
    world.tokens._access_seconds = 2
    token = world.access_token()
    assert (await world.check(authorization=f"Bearer {token}")).HasField("ok_response")
    later = time.time() + 10
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(world.tokens, "verify_access", lambda text: None)  # PyJWT has a clock of its own
    assert (await world.check(authorization=f"Bearer {token}")).HasField("denied_response")


async def test_only_two_methods_are_public_and_they_carry_no_identity(world: World) -> None:
    """Signing in needs no credential, and a credential sent there goes no further."""
    for method in ("Authenticate", "GetJwks"):
        response = await world.check(f"/ashgrove.auth.v1.AuthService/{method}", authorization="Bearer forged")
        assert list(response.ok_response.headers_to_remove) == ["authorization"]
        assert [h.header.key for h in response.ok_response.headers] == [ADDRESS]
    assert (await world.check("/ashgrove.auth.v1.AuthService/ListUsers")).HasField("denied_response")


async def test_services_own_rpcs_do_not_exist_behind_the_gateway(world: World) -> None:
    """A valid key opens no internal service."""
    for path in (
        "/ashgrove.auth.v1.AuthInternalService/ExchangeGrant",
        "/ashgrove.event.v1.EventFeedService/Tail",
        "/ashgrove.program.v1.ProgramInternalService/TakeExecutions",
    ):
        assert (await world.check(path, authorization=f"Bearer {world.key}")).HasField("denied_response")


async def test_the_organization_header_must_be_the_keys_own(world: World) -> None:
    """A key belongs to one organization, and naming another is refused like a wrong key."""
    bearer = f"Bearer {world.key}"
    own = str(world.credential.organization_id)
    assert (await world.check(authorization=bearer, x_ashgrove_organization=own)).HasField("ok_response")
    for other in (str(new_id()), "nonsense"):
        denied = await world.check(authorization=bearer, x_ashgrove_organization=other)
        assert denied == await world.check(authorization="Bearer wrong")


async def test_forged_headers_are_stripped(world: World) -> None:
    """Whatever a client claims about itself in our headers does not pass."""
    response = await world.check(authorization=f"Bearer {world.key}", x_ashgrove_user="root", x_other="1")
    assert list(response.ok_response.headers_to_remove) == ["x-ashgrove-user"]


async def test_rest_callers_read_json_and_grpc_callers_a_status(world: World) -> None:
    """A refusal speaks the caller's protocol and always carries its reason."""
    rest = await world.check(content_type="application/grpc", x_envoy_original_path="/v1/programs/1")
    body = json.loads(rest.denied_response.body)
    assert rest.denied_response.status.code == 401
    assert (body["code"], body["details"][0]["reason"]) == (16, "CREDENTIAL_REFUSED")
    grpc = await world.check(content_type="application/grpc")
    assert grpc.denied_response.body == body["message"]
    headers = {h.header.key: h.header.value for h in grpc.denied_response.headers}
    status = status_pb2.Status.FromString(base64.b64decode(headers["grpc-status-details-bin"]))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "CREDENTIAL_REFUSED"


async def test_memory_too_old_admits_nobody(world: World) -> None:
    """When revocations could not be heard for too long, the answer is to come back later."""
    world.age = 901
    response = await world.check(authorization=f"Bearer {world.key}")
    assert response.denied_response.status.code == 503


async def test_every_refusal_of_a_well_formed_key_looks_once_more(world: World) -> None:
    """Unknown, revoked and expired take the same way; what is no key at all costs the database nothing."""
    world.change(active=False)
    for secret in (keys.new_key(), world.key, world.access_token()):
        before = world.renewals
        assert (await world.check(authorization=f"Bearer {secret}")).denied_response.status.code == 401
        assert world.renewals == before + 1
    before = world.renewals
    for wrong in ("", "Bearer ", "Bearer nonsense", f"Bearer {world.key[:-1]}", f"Basic {world.key}", "Bearer a.b.c"):
        assert (await world.check(authorization=wrong)).denied_response.status.code == 401
    assert world.renewals == before


async def test_a_key_bound_to_places_is_refused_from_elsewhere_as_any_wrong_one(world: World) -> None:
    """Also its access tokens; the services behind hear where a call came from."""
    world.change(networks=(ip_network("192.0.2.0/24"),), scopes=frozenset({"programs:read"}))
    for secret in (world.key, world.access_token()):
        inside = await world.check(source="192.0.2.9", authorization=f"Bearer {secret}")
        assert identity(inside, world)["actions"] == ["programs:read"]
        assert [h.header.value for h in inside.ok_response.headers if h.header.key == ADDRESS] == ["192.0.2.9"]
        outside = await world.check(source="192.0.3.9", authorization=f"Bearer {secret}")
        wrong = await world.check(source="192.0.3.9", authorization="Bearer nonsense")
        assert outside.denied_response == wrong.denied_response


async def test_too_many_calls_are_refused_with_the_time_to_come_back(world: World) -> None:
    """Of a key as of an address that guesses; in both protocols; another key is not concerned."""
    world.rates = Rates(key=Rate(0.1, 3), anonymous=Rate(0.1, 2))
    bearer = f"Bearer {world.key}"
    answers = [await world.check(authorization=bearer) for _ in range(4)]
    assert [a.HasField("ok_response") for a in answers] == [True, True, True, False]
    denied = answers[-1].denied_response
    headers = {h.header.key: h.header.value for h in denied.headers}
    assert (denied.status.code, headers["retry-after"], headers["ratelimit-remaining"]) == (429, "10", "0")
    over_grpc = await world.check(authorization=bearer, content_type="application/grpc")
    headers = {h.header.key: h.header.value for h in over_grpc.denied_response.headers}
    status = status_pb2.Status.FromString(base64.b64decode(headers["grpc-status-details-bin"]))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info) and status.details[1].Unpack(retry)
    assert (headers["grpc-status"], info.reason, retry.retry_delay.seconds) == ("8", "LIMIT_REACHED", 10)
    guesses = [await world.check(source="192.0.2.1", authorization="Bearer guess") for _ in range(3)]
    assert [g.denied_response.status.code for g in guesses] == [401, 401, 429]
    elsewhere = await world.check(source="192.0.2.2", authorization="Bearer guess")
    assert elsewhere.denied_response.status.code == 401
