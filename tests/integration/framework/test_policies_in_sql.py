"""A check's answers are one: about a row in hand and as SQL, for any actor, act, row and composition."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from ruling import IDS, TABLE, actors, checks, contexts, policies, reference, rows
from sqlalchemy import Column, select

from framework.call import ANONYMOUS, Actor, ActorKind, Context, Role
from framework.policy import Check, Policy, anyone, bypass, forbid, has_role, policy, rule_for
from framework.policy.act_checks import asked_of, possible, settled
from framework.policy.explaining import verdict_of
from framework.storage.tables import compiled
from tests.tries import tries


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        made.execute(
            """CREATE TEMPORARY TABLE policy_rows
               (number int, id uuid, owner_id uuid, organization_id uuid, visibility text)"""
        )
        yield made


def stored(connection: psycopg.Connection[Any], table_rows: list[dict[str, Any]]) -> None:
    """Puts the rows into the table, numbered."""
    connection.execute("TRUNCATE policy_rows")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO policy_rows VALUES (%(number)s, %(id)s, %(owner_id)s, %(organization_id)s, %(visibility)s)",
            [{**row, "number": n} for n, row in enumerate(table_rows)],
        )


def passing(connection: psycopg.Connection[Any], check: Check, actor: Actor) -> set[int]:
    """Returns the rows for which a check passes in SQL."""
    sql, params = compiled(select(Column("number")).select_from(TABLE).where(check.where(actor, TABLE)))
    return {r["number"] for r in connection.execute(sql, params)}


ACTS = ["Get", "Update"]
EXAMPLES = settings(max_examples=tries(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EXAMPLES
@given(st.lists(rows, min_size=1, max_size=6), actors, checks, contexts)
def test_a_check_holds_in_sql_where_it_holds_in_hand(
    connection: psycopg.Connection[Any],
    table_rows: list[dict[str, Any]],
    actor: Actor,
    check: Check,
    context: Context,
) -> None:
    """What the actor alone decides agrees with both, whatever the act answers."""
    given_act = settled(check, {one: one.ask(context) for one in asked_of(check)})
    stored(connection, table_rows)
    seen = passing(connection, given_act, actor)
    assert seen == {n for n, row in enumerate(table_rows) if given_act.allows(actor, row)}
    decided = given_act.decide(actor)
    if decided is not None:
        assert seen == (set(range(len(table_rows))) if decided else set())
    assert passing(connection, ~given_act, actor) == set(range(len(table_rows))) - seen


@EXAMPLES
@given(st.lists(rows, min_size=1, max_size=6), actors, policies, st.sampled_from(ACTS), contexts)
def test_a_rule_lets_through_what_the_truth_table_says(
    connection: psycopg.Connection[Any],
    table_rows: list[dict[str, Any]],
    actor: Actor,
    declared: list[Policy],
    verb: str,
    context: Context,
) -> None:
    """Read from top to bottom as Ash reads policies, row by row."""
    rule = rule_for(declared, verb)
    given_act = settled(rule, {one: one.ask(context) for one in asked_of(rule)})
    stored(connection, table_rows)

    def said(check: Check, row: dict[str, Any]) -> bool:
        answers = {one: one.ask(context) for one in asked_of(check)}
        return settled(check, answers).allows(actor, row)

    wanted = {n for n, row in enumerate(table_rows) if reference(declared, verb, lambda c, row=row: said(c, row))}  # type: ignore[misc]
    assert passing(connection, given_act, actor) == wanted


@EXAMPLES
@given(st.lists(rows, min_size=1, max_size=3), actors, checks)
def test_what_is_possible_some_act_makes_pass(
    connection: psycopg.Connection[Any], table_rows: list[dict[str, Any]], actor: Actor, check: Check
) -> None:
    """Each thing that is asked of the act may be so or not; nothing else passes."""
    asked = asked_of(check)[:3]
    open_ = settled(check, dict.fromkeys(asked_of(check)[3:], False))
    stored(connection, table_rows)
    some: set[int] = set()
    for number in range(2 ** len(asked)):
        answers = {one: bool(number >> i & 1) for i, one in enumerate(asked)}
        some |= passing(connection, settled(open_, answers), actor)
    assert passing(connection, possible(open_), actor) == some


def test_where_no_policy_applies_nobody_passes_but_by_a_bypass() -> None:
    """Default deny."""
    admin = Actor(ActorKind.USER, str(IDS[0]), IDS[1], Role.ADMIN)
    assert rule_for([policy("Update", allow=anyone)], "Get").decide(admin) is False
    assert rule_for([bypass(has_role(Role.ADMIN))], "Get").decide(admin) is True
    assert rule_for([bypass(has_role(Role.ADMIN))], "Get").decide(ANONYMOUS) is False


def test_a_forbid_refuses_and_never_allows() -> None:
    """A bypass above it goes before, one below does not; alone it lets nobody pass."""
    admin = Actor(ActorKind.USER, str(IDS[0]), IDS[1], Role.ADMIN)
    viewer = Actor(ActorKind.USER, str(IDS[0]), IDS[1], Role.VIEWER)
    reads = policy("Get", allow=anyone)
    assert rule_for([forbid(has_role(Role.VIEWER)), reads], "Get").decide(viewer) is False
    assert rule_for([forbid(has_role(Role.VIEWER)), reads], "Get").decide(admin) is True
    assert rule_for([forbid(has_role(Role.VIEWER), "Update"), reads], "Get").decide(viewer) is True
    assert rule_for([forbid(has_role(Role.VIEWER), "Get")], "Get").decide(admin) is False
    frozen, ruler = forbid(anyone, "Get"), bypass(has_role(Role.ADMIN))
    assert rule_for([frozen, ruler, reads], "Get").decide(admin) is False
    assert rule_for([ruler, frozen, reads], "Get").decide(admin) is True


def test_nothing_equals_null() -> None:
    """Neither a column without a value nor an actor without an organization."""
    nobody = Actor(ActorKind.USER, str(UUID(int=9)))
    row = {"id": IDS[0], "owner_id": None, "organization_id": None, "visibility": None}
    for check in (rule_for([policy("Get", allow=one)], "Get") for one in _row_checks()):
        assert not check.allows(nobody, row) and not check.allows(ANONYMOUS, row)
        assert verdict_of(check, lambda leaf: leaf.holds(nobody, row)).verdict is False


def _row_checks() -> list[Check]:
    from framework.policy import is_own_organization, is_public, owns, relates_to, shares_organization

    return [owns, is_public, shares_organization, is_own_organization, relates_to("owner_id")]
