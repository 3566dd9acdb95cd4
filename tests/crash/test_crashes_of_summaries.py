"""Crash injection (`make test-full`): a kill while summaries become entries."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from framework.identifiers import new_id
from tests.crash.ways import SUMMARIES
from tests.processes import Processes
from tests.trail import SERVICES

TOLD = """SELECT coalesce(sum((data->>'count')::int), 0), count(*) FROM audit.audit_entries
          WHERE organization_id = %s AND type = 'trial.created'"""


@pytest.fixture
async def quick(postgres_url: str, tmp_path: Path) -> AsyncIterator[Processes]:
    """Auth, variables and audit, whose summaries gather for a second."""
    made = Processes(SERVICES, postgres_url, tmp_path, audit_summary_seconds="1")
    made.prepare()
    async with made.running():
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("failpoint", SUMMARIES)
async def test_a_kill_while_summaries_are_told_counts_each_event_once(quick: Processes, failpoint: str) -> None:
    """Neither lost nor told twice."""
    organization, count = str(new_id()), 40
    await quick.restart("audit", failpoint=failpoint)
    with psycopg.connect(quick.url) as connection:
        for _ in range(count):
            event = {"id": str(new_id()), "type": "trial.created", "audit": "AUDIT_SUMMARY", "outcome": "OK"}
            event |= {"organization_id": organization, "actor": {"kind": "KIND_SERVICE", "id": "optimizer"}}
            event["occurred_at"] = "2026-01-01T00:00:00Z"
            told = (organization, json.dumps(event))
            connection.execute("INSERT INTO variables.outbox (organization_id, event) VALUES (%s, %s)", told)
    await quick.killed("audit")
    await quick.restart("audit")
    await quick.caught_up("audit", "variables")
    while (found := (await quick.fetch(TOLD, organization))[0])[0] < count:
        assert found[0] <= count
    assert found[0] == count
