"""Sensitive values are found, left out and struck at any depth of a message, and out of what is logged."""

import logging
import sys
from typing import Any

import psycopg
import pytest

from framework.call import ANONYMOUS, Context
from framework.resource.sensitive import holds_secrets, secrets_in, strike, struck, without_secrets
from framework.rpc.current import enter
from framework.rpc.logs import JsonLines
from framework.testing.canaries import plant
from framework.testing.specimen import message

CANARY = "canary-77"


def planted() -> Any:
    made = plant(message("CreateSpecimenRequest")(), CANARY)
    made.specimen.name = "plain"
    return made


def test_secrets_are_found_at_any_depth() -> None:
    """In the resource, in what it holds and in lists of that."""
    one = planted()
    assert one.specimen.secret == one.specimen.detail.secret == one.specimen.details[0].secret == CANARY
    assert secrets_in(one) == {CANARY}
    assert holds_secrets(one.DESCRIPTOR) and not holds_secrets(message("GetSpecimenRequest").DESCRIPTOR)
    assert secrets_in(message("GetSpecimenRequest")(id=CANARY)) == set()


def test_a_message_without_secrets_keeps_all_else() -> None:
    """And the message itself stays as it is."""
    one = planted()
    bare = without_secrets(one)
    assert CANARY in str(one) and CANARY not in str(bare)
    assert bare.specimen.name == "plain"


def test_short_values_are_not_struck() -> None:
    """They keep nobody out, and would garble what is said."""
    one = message("CreateSpecimenRequest")(specimen=message("Specimen")(secret="abc"))
    assert secrets_in(one) == set()
    assert struck(f"is {CANARY}-{CANARY}!", {CANARY, f"{CANARY}-{CANARY}"}) == "is [sensitive]!"
    told = message("Specimen")(name=f"x {CANARY}", tags=["a", CANARY], detail=message("Detail")(text=CANARY))
    strike(told, {CANARY})
    assert CANARY not in str(told) and told.tags[0] == "a"


def line_of(fault: Exception) -> str:
    try:
        raise fault
    except Exception:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed: %s", (CANARY,), sys.exc_info())
    return JsonLines().format(record)


def test_no_log_line_quotes_what_the_served_call_holds() -> None:
    """Neither in its message nor in its traceback, however it came there."""
    enter(Context(ANONYMOUS, "CreateSpecimen", "", 0.0, arguments=planted()))
    try:
        line = line_of(ValueError(f"cannot read {CANARY}"))
    finally:
        enter(Context(ANONYMOUS, "", "", 0.0))
    assert CANARY not in line and line.count("[sensitive]") >= 2


def test_no_log_line_quotes_the_row_that_the_database_refused() -> None:
    """What PostgreSQL says beside the fault may hold the values of a whole row."""
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = psycopg.errors.NotNullViolation("null value in column\nDETAIL:  Failing row contains (s3cret).")
    line = line_of(wrapped)
    assert "s3cret" not in line and "null value in column" in line


@pytest.mark.parametrize("name", ["Specimen", "CreateSpecimenRequest"])
def test_what_is_shown_of_a_context_holds_no_request(name: str) -> None:
    """A context that is logged by mistake tells nothing."""
    assert CANARY not in repr(Context(ANONYMOUS, "", "", 0.0, arguments=plant(message(name)(), CANARY)))


def test_a_fault_that_was_raised_from_what_it_caused_is_logged() -> None:
    """Its causes are a ring, which has no end."""
    inner, outer = psycopg.errors.UniqueViolation("taken\nDETAIL: Key (name)=(canary)"), ValueError("outer")
    inner.__cause__, outer.__cause__ = outer, inner
    record = logging.LogRecord("x", logging.ERROR, "", 0, "broke", None, (ValueError, outer, None))
    assert "canary" not in JsonLines().format(record)
