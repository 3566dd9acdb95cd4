"""Tokens: signed, short, and each for one side of the gateway only."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from framework.call import Actor, ActorKind, Role
from framework.identifiers import new_id
from services.auth.keyring import single
from services.auth.tokens import AccessClaims, Tokens

USER, ORGANIZATION, KEY = new_id(), new_id(), new_id()
ACTOR = Actor(ActorKind.USER, str(USER), ORGANIZATION, Role.USER, str(KEY), "optimizer", False, frozenset({"B", "A"}))
CLAIMS = AccessClaims(USER, ORGANIZATION, KEY)


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(single(Ed25519PrivateKey.generate()), access_seconds=900, identity_seconds=60)


def verified(tokens: Tokens, text: str, audience: str) -> dict[str, object]:
    key = jwt.PyJWK(tokens.jwks()[0])
    return jwt.decode(text, key, algorithms=["EdDSA"], audience=audience, issuer="ashgrove")


def test_an_identity_token_states_the_whole_actor(tokens: Tokens) -> None:
    """Services learn from the token alone who acts, for whom, and what a grant allows."""
    claims = verified(tokens, tokens.issue_identity(ACTOR).text, "internal")
    assert {k: claims[k] for k in ("sub", "kind", "org", "role", "cred", "act", "op", "actions")} == {
        "sub": str(USER),
        "kind": "user",
        "org": str(ORGANIZATION),
        "role": "user",
        "cred": str(KEY),
        "act": "optimizer",
        "op": False,
        "actions": ["A", "B"],
    }
    assert claims["exp"] - claims["iat"] == 60  # type: ignore[operator]


def test_the_header_names_the_key_of_the_jwks(tokens: Tokens) -> None:
    """A reader finds the public key by its id, and the JWKS holds no private part."""
    header = jwt.get_unverified_header(tokens.issue_identity(ACTOR).text)
    assert header["kid"] == tokens.jwks()[0]["kid"]
    assert header["alg"] == "EdDSA"
    assert "d" not in tokens.jwks()[0]


def test_an_access_token_comes_back_as_its_claims(tokens: Tokens) -> None:
    """What was signed is what is read."""
    claims = tokens.verify_access(tokens.issue_access(CLAIMS).text)
    assert claims is not None
    assert (claims.user_id, claims.organization_id, claims.api_key_id) == (USER, ORGANIZATION, KEY)


def test_neither_side_accepts_the_others_token(tokens: Tokens) -> None:
    """An identity token is no access token, and an access token is no identity token."""
    assert tokens.verify_access(tokens.issue_identity(ACTOR).text) is None
    with pytest.raises(jwt.InvalidAudienceError):
        verified(tokens, tokens.issue_access(CLAIMS).text, "internal")


def test_a_token_of_another_key_an_expired_one_and_rubbish_are_refused(tokens: Tokens) -> None:
    """Only a live token of our own key says anything."""
    other = Tokens(single(Ed25519PrivateKey.generate()), access_seconds=900, identity_seconds=60)
    expired = tokens.issue_access(CLAIMS, until=time.time() - 30).text
    unsigned = jwt.encode({"aud": "gateway", "iss": "ashgrove", "sub": str(USER)}, None, algorithm="none")
    for text in (other.issue_access(CLAIMS).text, expired, unsigned, "", "a.b.c", "\ud800.."):
        assert tokens.verify_access(text) is None


def test_a_token_never_outlives_what_it_was_made_from(tokens: Tokens) -> None:
    """`until` bounds the life of a token."""
    soon = int(time.time()) + 10
    assert tokens.issue_access(CLAIMS, until=soon).expires_at == soon
    assert tokens.issue_identity(ACTOR, until=soon).expires_at == soon


def test_service_identities_have_no_organization(tokens: Tokens) -> None:
    """A service is nobody's member."""
    claims = verified(tokens, tokens.issue_identity(Actor(ActorKind.SERVICE, "audit")).text, "internal")
    assert (claims["sub"], claims["kind"], claims["org"], claims["role"]) == ("audit", "service", "", "")
