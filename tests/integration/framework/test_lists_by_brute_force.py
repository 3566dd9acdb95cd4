"""What a list returns is what one would pick row by row: policy, filter and tenant in one statement."""

import secrets
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from filters import IDS, Filter, filters, specimens
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from sqlalchemy.schema import CreateTable

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.reading import Page
from framework.identifiers import new_id
from framework.policy import rule_for
from framework.query import Seal
from framework.resource import spec_of
from framework.storage import codec_of, table_of
from framework.storage.tables import DIALECT
from framework.testing.specimen import Specimen, message

SPEC = spec_of(Specimen)
TABLE = table_of(SPEC)
ORGANIZATIONS = [UUID(int=100), UUID(int=101)]
actors = st.builds(
    Actor,
    kind=st.just(ActorKind.USER),
    id=st.sampled_from(IDS),
    organization_id=st.sampled_from(ORGANIZATIONS),
    role=st.sampled_from([Role.ADMIN, Role.USER, Role.USER]),
)
rows = st.lists(st.tuples(specimens, st.sampled_from([*ORGANIZATIONS, ORGANIZATIONS[0]])), min_size=1, max_size=5)
SEAL = Seal(secrets.token_bytes(32))


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        made.execute(str(CreateTable(TABLE).compile(dialect=DIALECT)).replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
        yield made


def stored(connection: psycopg.Connection[Any], given_rows: list[tuple[Any, UUID]]) -> list[tuple[Any, UUID]]:
    """Puts messages into the table, each with an id of its own."""
    connection.execute("TRUNCATE specimens")
    for one, organization in given_rows:
        one.id = str(new_id())
        row = codec_of(SPEC).row(one) | {"organization_id": organization, "lock_version": 1}
        columns, values = ", ".join(row), ", ".join(f"%({c})s" for c in row)
        connection.execute(f"INSERT INTO specimens ({columns}) VALUES ({values})", row)
    return given_rows


def walked(connection: psycopg.Connection[Any], actor: Actor, **asked: Any) -> list[str]:
    """Returns the ids that a list returns, page by page."""
    context = Context(actor, "ListSpecimens", "", 0.0)
    ids: list[str] = []
    token = ""
    while True:
        request = message("ListSpecimensRequest")(page_token=token, **asked)
        page = Page(SPEC, context, request, "/list", SEAL)
        found = connection.execute(*page.statement()).fetchall()
        answer = page.answer(found, message("ListSpecimensResponse")())
        ids += [one.id for one in answer.specimens]
        token = answer.next_page_token
        if not token:
            return ids


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows, actors, filters, st.integers(1, 3))
def test_a_list_is_what_brute_force_picks(
    connection: psycopg.Connection[Any], given_rows: list[tuple[Any, UUID]], actor: Actor, wanted: Filter, size: int
) -> None:
    """For any rows of two organizations, any actor and any filter, over all pages."""
    rule = rule_for(SPEC.policies, "List")
    expected = {
        one.id
        for one, organization in stored(connection, given_rows)
        if organization == actor.organization_id and rule.allows(actor, codec_of(SPEC).row(one)) and wanted.holds(one)
    }
    listed = walked(connection, actor, filter=wanted.text, page_size=size)
    assert sorted(listed) == sorted(expected), wanted.text
