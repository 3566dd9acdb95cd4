"""Checks about the act answer from the call's context; what is not known yet stays open."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from framework.call import ANONYMOUS, Actor, ActorKind, Context
from framework.policy import Check, argument, changing, in_context
from framework.policy.act_checks import ActCheck
from framework.testing.specimen import message

USER = Actor(ActorKind.USER, str(UUID(int=2)), UUID(int=1))
CONTEXT = Context(USER, "UpdateSpecimen", "", 0.0)


def said(check: Check, **facts: Any) -> bool | None:
    assert isinstance(check, ActCheck)
    return check.ask(replace(CONTEXT, **facts))


def request(**fields: Any) -> Any:
    return message("CreateSpecimenRequest")(specimen=message("Specimen")(**fields))


def test_changing_says_which_field_from_what_to_what() -> None:
    """A field that stays is not changed; nothing is equal to nothing."""
    changes = {"name": ("a", "b"), "owner_id": (None, UUID(int=2)), "flag": (False, True)}
    answers = {
        changing("name"): True,
        changing("small"): False,
        changing("name", to="b"): True,
        changing("name", to="c"): False,
        changing("name", to="b", from_="a"): True,
        changing("name", from_="b"): False,
        changing("owner_id", to=UUID(int=2)): True,
        changing("owner_id", to=str(UUID(int=2))): True,
        changing("owner_id", from_=None): False,
        changing("flag", to=1): False,
    }
    for check, expected in answers.items():
        assert said(check, changes=changes) is expected, str(check)
        assert said(check) is None


def test_arguments_are_read_from_the_request() -> None:
    """Enums by name, at any depth; what is empty or no field matches nothing."""
    given = request(name="a", visibility="VISIBILITY_PUBLIC", detail=message("Detail")(text="x"))
    for path, value in (
        ("specimen.name", "a"),
        ("specimen.visibility", "VISIBILITY_PUBLIC"),
        ("specimen.detail.text", "x"),
    ):
        assert said(argument(path), arguments=given) is True
        assert said(argument(path, value), arguments=given) is True
        assert said(argument(path, "other"), arguments=given) is False
        assert said(argument(path)) is None
    for path in ("specimen.small", "specimen.nothing", "nothing", "specimen.name.x"):
        assert said(argument(path), arguments=given) is False
    assert said(argument("specimen.small", 0), arguments=given) is False


def test_contexts_are_of_the_actor_or_of_the_call() -> None:
    """What the identity token says is settled without a request."""
    worker = replace(USER, delegate="optimizer", actions=frozenset())
    assert in_context(delegate="optimizer").decide(worker) is True
    assert in_context(delegate="optimizer").decide(USER) is False
    assert in_context(bounded=True, delegated=True).decide(worker) is True
    assert in_context(credential=False).decide(USER) is True
    tried = request()
    tried.validate_only = True
    assert said(in_context(validate_only=True), arguments=tried) is True
    assert said(in_context(validate_only=True), arguments=request()) is False
    assert said(in_context(action="UpdateSpecimen"), arguments=request()) is True
    with pytest.raises(TypeError, match="weather"):
        in_context(weather="fine")
    assert in_context(delegated=True).decide(ANONYMOUS) is False
