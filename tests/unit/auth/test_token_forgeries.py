"""Whatever is sent instead of a token is refused on both sides of the gateway, alike, and breaks nothing."""

import base64
import binascii

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from framework.call import Actor, ActorKind, Role
from framework.errors import Unauthenticated
from framework.identifiers import new_id
from framework.rpc.identity import Verifier
from services.auth import keys
from services.auth.credentials import Credential, Credentials
from services.auth.gatekeeper import Gatekeeper
from services.auth.keyring import single
from services.auth.tokens import AccessClaims, Tokens
from tests.unit.auth.forgeries import forgeries

GET = "/ashgrove.program.v1.ProgramService/GetProgram"
PRIVATE = Ed25519PrivateKey.generate()
# They are made when the tests are collected, and must hold until the last one has run.
TOKENS = Tokens(single(PRIVATE), access_seconds=86_400, identity_seconds=86_400)
KEY = keys.new_key()
HOLDER = Credential(new_id(), keys.digest(KEY, b"pepper"), new_id(), new_id(), Role.USER, False, True, None)
ACCESS = TOKENS.issue_access(AccessClaims(HOLDER.user_id, HOLDER.organization_id, HOLDER.api_key_id)).text
IDENTITY = TOKENS.issue_identity(Actor(ActorKind.USER, str(HOLDER.user_id), HOLDER.organization_id, Role.USER)).text
OUTSIDE, INSIDE = forgeries(PRIVATE, ACCESS), forgeries(PRIVATE, IDENTITY)


def gate() -> Gatekeeper:
    credentials = Credentials()
    credentials.learn([HOLDER])
    return Gatekeeper(credentials, TOKENS, b"pepper")


async def own_keys() -> list[dict[str, str]]:
    return TOKENS.jwks()


async def test_the_tokens_themselves_hold() -> None:
    """Else the rest would prove nothing."""
    assert gate().admit(GET, f"Bearer {ACCESS}", "") is not None
    assert (await Verifier(own_keys).actor(IDENTITY)).id == str(HOLDER.user_id)


@pytest.mark.parametrize("text", OUTSIDE.values(), ids=OUTSIDE)
def test_no_forgery_comes_in(text: str) -> None:
    assert TOKENS.verify_access(text) is None
    assert gate().admit(GET, f"Bearer {text}", "") is None
    assert not gate().may_be_new(f"Bearer {text}")


@pytest.mark.parametrize("text", [*INSIDE.values(), ACCESS], ids=[*INSIDE, "an access token"])
async def test_no_forgery_is_anybody_behind_the_gateway(text: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await Verifier(own_keys).actor(text)
    assert refused.value.message == Unauthenticated().message


def test_an_identity_token_and_a_refresh_token_do_not_come_in() -> None:
    for text in (IDENTITY, f"{IDENTITY} ", KEY[:-1], KEY.lower(), f"{KEY}\0", f" {KEY}{KEY}"):
        assert gate().admit(GET, f"Bearer {text}", "") is None


def decoded(token: str) -> list[bytes] | None:
    """Returns what a token says; the last letter of a part may be written in several ways."""
    try:
        return [base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in token.split(".")]
    except (binascii.Error, ValueError):
        return None


edits = st.tuples(st.integers(0, len(ACCESS)), st.integers(0, 4), st.text(max_size=4))


@given(edits)
def test_no_edited_token_comes_in(edit: tuple[int, int, str]) -> None:
    at, length, text = edit
    edited = ACCESS[:at] + text + ACCESS[at + length :]
    if TOKENS.verify_access(edited) is not None:
        assert decoded(edited) == decoded(ACCESS)


@given(st.text(max_size=200), st.text(max_size=60), st.text(max_size=40))
def test_no_text_in_any_header_breaks_the_gate(authorization: str, organization: str, address: str) -> None:
    guarded = gate()
    for value in (
        authorization,
        f"Bearer {authorization}",
        f"Bearer {KEY}{authorization}",
        f"Bearer {ACCESS}.{authorization}",
    ):
        if value.split(" ")[-1].strip() not in {KEY, ACCESS}:
            assert guarded.admit(GET, value, organization, address) is None
            guarded.may_be_new(value)


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {KEY}, Bearer {KEY}",
        f"Bearer {KEY},Bearer nonsense",
        f"Bearer nonsense,Bearer {KEY}",
        f"Bearer {KEY} Bearer {ACCESS}",
        f"Basic {KEY}",
        f"Bearer\t{KEY}",
        f"Bearer: {KEY}",
        KEY,
    ],
)
def test_two_credentials_are_none(value: str) -> None:
    """Envoy joins headers that come twice by a comma: neither is chosen."""
    assert gate().admit(GET, value, "") is None
