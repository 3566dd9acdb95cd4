"""A check's two answers are one: about a row in hand and as SQL, for any actor, row and composition."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from sqlalchemy import Column, MetaData, Table, Text, select
from sqlalchemy.dialects import postgresql

from framework.call import ANONYMOUS, Actor, ActorKind, Role, service_actor
from framework.policy import (
    Check,
    anyone,
    bypass,
    has_role,
    is_operator,
    is_public,
    is_service,
    itself,
    owns,
    policy,
    rule_for,
    signed_in,
)
from framework.policy.policies import WRITES
from framework.storage.tables import compiled

IDS = [UUID(int=n) for n in range(1, 5)]
TABLE = Table(
    "policy_rows",
    MetaData(),
    Column("id", postgresql.UUID(as_uuid=True)),
    Column("owner_id", postgresql.UUID(as_uuid=True)),
    Column("visibility", Text()),
)
actors = st.one_of(
    st.just(ANONYMOUS),
    st.just(service_actor("optimizer")),
    st.builds(
        Actor,
        kind=st.just(ActorKind.USER),
        id=st.sampled_from([str(i) for i in IDS]),
        organization_id=st.sampled_from([None, *IDS[:2]]),
        role=st.sampled_from([None, *Role]),
        operator=st.booleans(),
    ),
)
rows = st.fixed_dictionaries(
    {
        "id": st.sampled_from(IDS),
        "owner_id": st.sampled_from([None, *IDS]),
        "visibility": st.sampled_from([None, "", "VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"]),
    }
)
leaves = st.sampled_from(
    [anyone, signed_in, is_service, is_operator, is_public, owns, itself, has_role(Role.ADMIN), has_role(*Role)]
)
checks: st.SearchStrategy[Check] = st.recursive(
    leaves,
    lambda inner: st.one_of(st.builds(lambda a, b: a & b, inner, inner), st.builds(lambda a, b: a | b, inner, inner)),
    max_leaves=6,
)
policies = st.lists(
    st.one_of(
        checks.map(bypass),
        checks.map(lambda c: policy("Get", allow=c)),
        checks.map(lambda c: policy("Update", allow=c)),
        checks.map(lambda c: policy(*WRITES, allow=c)),
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        made.execute("CREATE TEMPORARY TABLE policy_rows (number int, id uuid, owner_id uuid, visibility text)")
        yield made


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, min_size=1, max_size=6), actors, policies, st.sampled_from(["Get", "Update"]))
def test_a_rule_lets_through_in_sql_exactly_what_it_allows_in_hand(
    connection: psycopg.Connection[Any], table_rows: list[dict[str, Any]], actor: Actor, declared: Any, verb: str
) -> None:
    """What the actor alone decides agrees with both."""
    rule = rule_for(declared, verb)
    connection.execute("TRUNCATE policy_rows")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO policy_rows VALUES (%(number)s, %(id)s, %(owner_id)s, %(visibility)s)",
            [{**row, "number": n} for n, row in enumerate(table_rows)],
        )
    sql, params = compiled(select(Column("number")).select_from(TABLE).where(rule.where(actor, TABLE)))
    seen = {r["number"] for r in connection.execute(sql, params)}
    allowed = {n for n, row in enumerate(table_rows) if rule.allows(actor, row)}
    assert seen == allowed
    decided = rule.decide(actor)
    if decided is not None:
        assert seen == (set(range(len(table_rows))) if decided else set())


def test_where_no_policy_applies_nobody_passes_but_by_a_bypass() -> None:
    """Default deny."""
    admin = Actor(ActorKind.USER, str(IDS[0]), IDS[1], Role.ADMIN)
    assert rule_for([policy("Update", allow=anyone)], "Get").decide(admin) is False
    assert rule_for([bypass(has_role(Role.ADMIN))], "Get").decide(admin) is True
    assert rule_for([bypass(has_role(Role.ADMIN))], "Get").decide(ANONYMOUS) is False
