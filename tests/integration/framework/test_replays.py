"""Answers that hold secrets are never kept, and what is kept is forgotten after a day."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from framework.engine.replay import forget, holds_secrets
from framework.errors import AlreadyDone, InvalidFields
from framework.tasks import stopped
from framework.testing.specimen import message, registry
from framework.testing.workbench import Workbench, workbench


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


def created(name: str, request_id: str, **more: bool) -> object:
    request = message("CreateSpecimenRequest")(request_id=request_id, **more)
    request.specimen.name = name
    request.specimen.secret = "canary"
    return request


async def test_an_answer_with_secrets_is_not_kept(bench: Workbench) -> None:
    """The second request is refused, and does nothing; the secret is in no row of the replays."""
    await bench.do("CreateSpecimen", created("a", "one"))
    for name, failure in (("a", AlreadyDone), ("b", InvalidFields)):
        with pytest.raises(failure):
            await bench.do("CreateSpecimen", created(name, "one"))
    async with bench.database.system() as tx:
        rows = await tx.fetch(
            "SELECT response FROM replays WHERE organization_id = %(o)s", {"o": bench.organization_id}
        )
    assert [row["response"] for row in rows] == [None]
    listed = await bench.do("ListSpecimens", message("ListSpecimensRequest")(show_total_size=True))
    assert listed.total_size == 1


async def test_a_rehearsal_claims_no_request_id(bench: Workbench) -> None:
    """It may be followed by the real thing under the same id."""
    tried = await bench.do("CreateSpecimen", created("a", "one", validate_only=True))
    assert tried.name == "a" and not tried.id
    assert (await bench.do("CreateSpecimen", created("a", "one"))).id


async def test_what_is_older_than_a_day_is_forgotten(bench: Workbench) -> None:
    """And nothing younger."""
    for name in ("old", "new"):
        await bench.do("CreateSpecimen", created(name, name))
    mine = {"o": bench.organization_id}
    async with bench.database.system() as tx:
        await tx.execute(
            """UPDATE replays SET recorded_at = now() - interval '25 hours'
               WHERE organization_id = %(o)s AND request_id = 'old'""",
            mine,
        )
    forgetting = asyncio.create_task(forget(bench.database))
    try:
        while True:
            async with bench.database.system() as tx:
                rows = await tx.fetch("SELECT request_id FROM replays WHERE organization_id = %(o)s", mine)
            if len(rows) < 2:
                break
    finally:
        await stopped([forgetting])
    assert [row["request_id"] for row in rows] == ["new"]


def test_secrets_are_found_at_any_depth() -> None:
    """And messages that hold themselves are no trap."""
    assert holds_secrets(message("Specimen").DESCRIPTOR)
    assert holds_secrets(message("ListSpecimensResponse").DESCRIPTOR)
    assert not holds_secrets(message("GetSpecimenRequest").DESCRIPTOR)
