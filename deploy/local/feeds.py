"""How far the consumers of each service's feed are behind, for the table that people see."""

from collections.abc import Iterable
from pathlib import Path

import psycopg

from deploy.local.state import Running
from deploy.local.supervisor import database_password

_WORST = """
SELECT coalesce(max(h.last_sequence - c.sequence), 0), (SELECT count(*) FROM outbox)
FROM feed_head h LEFT JOIN feed_consumers c ON true
"""


def behind(home: Path, processes: Iterable[Running], database_url: str | None = None) -> dict[str, str]:
    """Returns by service how many events its slowest consumer has not dealt with, and how many wait for numbers.

    Nothing for a service whose database does not answer.
    """
    running = {process.name: process for process in processes}
    postgres = running.get("postgres")
    url = database_url or (f"postgresql://{postgres.address}/ashgrove" if postgres else "")
    found: dict[str, str] = {}
    for service in ("auth", "program", "variables", "optimizer", "audit"):
        try:
            found[service] = _worst(url, service, database_password(home)) if service in running else ""
        except psycopg.Error:
            continue
    return found


def _worst(url: str, service: str, password: str) -> str:
    options = f"-c search_path={service}"
    with psycopg.connect(
        url, user=f"{service}_system", password=password, options=options, connect_timeout=2
    ) as connection:
        row = connection.execute(_WORST).fetchone()
    assert row is not None, "the feed has a head"
    return f"{row[0]}" + (f" + {row[1]}" if row[1] else "")
