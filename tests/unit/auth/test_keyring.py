"""Signing keys: one signs, retired ones verify until their last token has ended, given-up ones nothing any more."""

import os
import time
from pathlib import Path

import pytest

from framework.call import Actor, ActorKind
from framework.identifiers import new_id
from services.auth import keyring
from services.auth.keyring import rotate
from services.auth.secrets import make_missing
from services.auth.tokens import AccessClaims, Tokens, read_tokens

CLAIMS = AccessClaims(new_id(), new_id(), new_id())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of secrets, looked at without waiting."""
    monkeypatch.setattr(keyring, "_LOOK_SECONDS", -1.0)
    make_missing(tmp_path)
    return tmp_path


def read(folder: Path) -> Tokens:
    return read_tokens(folder, access_seconds=900, identity_seconds=60)


def test_a_rotation_is_noticed_and_what_was_signed_holds(folder: Path) -> None:
    """By a process that runs: its next token is signed with the new key, the last one still verifies."""
    tokens = read(folder)
    before = tokens.issue_access(CLAIMS).text
    kid = rotate(folder, keep_seconds=905)
    assert next(k["kid"] for k in tokens.jwks()) == kid and len(tokens.jwks()) == 2
    after = tokens.issue_access(CLAIMS).text
    for text in (before, after):
        for reader in (tokens, read(folder)):
            assert reader.verify_access(text) is not None


def test_a_compromised_key_signs_and_verifies_nothing_any_more(folder: Path) -> None:
    """Nor do keys that were retired before it."""
    tokens = read(folder)
    texts = [tokens.issue_access(CLAIMS).text]
    rotate(folder, keep_seconds=905)
    texts.append(tokens.issue_access(CLAIMS).text)
    kid = rotate(folder, keep_seconds=0)
    assert [k["kid"] for k in tokens.jwks()] == [kid]
    assert [tokens.verify_access(text) for text in texts] == [None, None]


def test_a_retired_key_goes_with_the_first_rotation_after_its_last_token(folder: Path) -> None:
    """Files of secrets do not gather."""
    rotate(folder, keep_seconds=905)
    (retired,) = folder.glob("retired-*.pem")
    assert oct(retired.stat().st_mode & 0o777) == "0o600"
    past = time.time() - 906
    os.utime(retired, (past, past))
    rotate(folder, keep_seconds=905)
    assert retired not in set(folder.glob("retired-*.pem"))


def test_tokens_of_unknown_and_missing_key_names_are_no_tokens(folder: Path) -> None:
    """Whoever signed them."""
    tokens = read(folder)
    other = read_other(folder)
    assert tokens.verify_access(other.issue_access(CLAIMS).text) is None
    assert tokens.verify_access(tokens.issue_identity(Actor(ActorKind.USER, str(new_id()))).text) is None
    assert tokens.verify_access("a.b.c") is None


def read_other(folder: Path) -> Tokens:
    elsewhere = folder / "other"
    make_missing(elsewhere)
    return read(elsewhere)
