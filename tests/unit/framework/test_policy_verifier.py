"""Policies that ask what cannot be asked are refused at start, with resource and field."""

from typing import Any

import pytest

from framework.call import Role
from framework.policy import (
    argument,
    changing,
    field_policy,
    forbid,
    has_role,
    is_public,
    owns,
    policy,
    relates_to,
    shares_organization,
)
from framework.policy.checks import Check
from framework.resource import spec_of
from framework.testing.specimen import Specimen, message, registry
from services.program.resources import Program

SPEC = registry().specs[Specimen]
SOUND: list[Check] = [
    owns & is_public & shares_organization,
    relates_to("owner_id"),
    relates_to("favourite.owner_id"),
    relates_to("pieces.parent.owner_id"),
    changing("name") | argument("anything at all"),
    changing("hidden_key"),
]
UNSOUND = {
    relates_to("nothing_id"): "nothing_id",
    relates_to("nothing.owner_id"): "no relationship nothing",
    relates_to("pieces.nothing_id"): "Piece has no id nothing_id",
    relates_to("pieces.name"): "Piece has no id name",
    ~(owns & changing("nothing")): "nothing",
    argument("a") & argument("b") & argument("c") & argument("d") & argument("e") & argument("f") & argument("g"): "6",
}


@pytest.mark.parametrize("check", SOUND, ids=str)
def test_what_can_be_asked_is_let_pass(check: Check) -> None:
    """By policies and, but for the act, by field policies."""
    assert list(policy("Get", allow=check).faults(SPEC)) == []


@pytest.mark.parametrize("check", UNSOUND, ids=str)
def test_what_cannot_be_asked_is_named(check: Check) -> None:
    """With the policy that asks it."""
    (fault, *_) = policy("Get", allow=check).faults(SPEC)
    assert UNSOUND[check] in fault and "Get: needs" in fault


@pytest.mark.parametrize(
    ("names", "more", "told"),
    [
        (("nothing",), {}, "nothing, which is no field"),
        (("id",), {}, "whoever sees a row sees"),
        (("created_at",), {}, "whoever sees a row sees"),
        (("name",), {"write": changing("name")}, "of the act"),
        (("name",), {"write": relates_to("nothing_id")}, "nothing_id"),
        (("etag",), {}, "no field"),
    ],
)
def test_field_policies_are_refused_by_field(names: tuple[str, ...], more: dict[str, Any], told: str) -> None:
    """Unknown fields, identifiers, and checks on the act, which every read would have to answer."""
    (fault, *_) = field_policy(*names, allow=has_role(Role.ADMIN), **more).faults(SPEC)
    assert told in fault


def test_the_hash_of_content_is_kept_with_the_content() -> None:
    """Else whoever can guess the content can tell whether they are right."""
    program = spec_of(Program)
    (fault,) = field_policy("program_config", allow=owns).faults(program)
    assert "content_hash" in fault
    assert not list(field_policy("program_config", "content_hash", allow=owns).faults(program))
    for name in ("revision", "status"):  # by which revisions are found, and moves are judged
        assert list(field_policy(name, allow=owns).faults(program))


def test_an_argument_that_no_request_has_is_named() -> None:
    """A forbid on a misspelt one would never refuse anybody."""
    requests = [message(f"{name}SpecimenRequest").DESCRIPTOR for name in ("Create", "Update")]
    for path in ("specimen.hint", "specimen.detail.inner.text", "validate_only"):
        assert not list(forbid(argument(path), "Create").misargued(requests))
    for path in ("specimen.hnt", "hint", "specimen.hint.x", "specimen.detail.nothing"):
        (fault,) = forbid(owns & argument(path), "Create").misargued(requests)
        assert path in fault and "Create: forbids" in fault
