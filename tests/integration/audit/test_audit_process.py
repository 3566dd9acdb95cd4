"""The audit service as a process: it follows the feeds of other processes by a token of its own."""

from pathlib import Path

import psycopg

from framework.identifiers import new_id
from tests.processes import Processes
from tests.trail import SERVICES


async def test_what_another_process_tells_is_recorded_once(postgres_url: str, tmp_path: Path) -> None:
    """Though two of the services are away; it dies in tests/integration/optimizer/test_killed_runs.py."""
    processes = Processes(SERVICES, postgres_url, tmp_path, checkpoint_seconds="0.1")
    processes.prepare()
    organization = str(new_id())
    async with processes.running():
        event = f'{{"id": "{new_id()}", "type": "test.happened", "organization_id": "{organization}"}}'
        with psycopg.connect(processes.url) as connection:
            connection.execute(
                "INSERT INTO variables.outbox (organization_id, event) VALUES (%s, %s)", (organization, event)
            )
        await processes.caught_up("audit", "variables")
        query = "SELECT source, type FROM audit.audit_entries WHERE organization_id = %s"
        assert await processes.fetch(query, organization) == [("variables", "test.happened")]
