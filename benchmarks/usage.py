"""What metering adds to a model call, and whether the totals are exact: an embedded PostgreSQL of its own.

Calls through the gate, fifty at once, against the same calls without it; the model answers at once. Settlements are
durable.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.postgres import postgres
from domain.pricing import Price, Usage
from framework.identifiers import new_id
from framework.storage import Database
from framework.testing.workbench import PASSWORD, workbench
from services.program.connectors.answer import Answer
from services.program.connectors.endpoint import Endpoint, Limits
from services.program.connectors.usage import usage_of
from services.program.metering.gate import Gate
from services.program.metering.work import Work
from services.program.registry import registry

CALLS, AT_ONCE = 2_000, 50
_MIGRATIONS = Path(__file__).parents[1] / "services" / "program" / "migrations"
_BODY = {"messages": [{"role": "user", "content": "x" * 400}]}
_LIMITS = Limits(concurrency=1_000, requests_per_minute=10**6, tokens_per_minute=10**9, spend_nanos_per_month=10**12)


def main() -> None:
    """Measures one call at a time and fifty at once, without limits and with all of them."""
    table = Table("calls", "limits", "bare", "through the gate", "added by call", "totals", title=f"{CALLS:,} calls")
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server:
        for at_once, limits in ((1, Limits()), (1, _LIMITS), (AT_ONCE, Limits()), (AT_ONCE, _LIMITS)):
            table.add_row(*asyncio.run(_measured(server.admin_url, at_once, limits)))
    Console().print(table)


async def _measured(url: str, at_once: int, limits: Limits) -> list[str]:
    where = Endpoint(
        new_id(), new_id(), "m", "openai", "http://m/v1", "m1", limits=limits, prices=(Price(1_000_000, 1_000_000),)
    )
    count = CALLS if at_once > 1 else CALLS // 10
    async with workbench(registry(), url, _MIGRATIONS):
        database = Database(url, PASSWORD, "program", size=4)
        await database.open()
        gate = Gate(database)
        await gate.open()
        work = Work(new_id())
        bare = await _seconds(_ask, count, at_once)
        metered = await _seconds(lambda: gate.call(where, work, _BODY, 50, _ask), count, at_once)
        await gate.close()
        (total,) = await usage_of(database, where.id, "")
        await database.close()
    exact = total.requests == count and total.cost_nanos == count * 20_000
    added = (metered - bare) / count * at_once * 1000
    word = "all" if limits == _LIMITS else "none"
    throughput = [f"{count / seconds:,.0f}/s" for seconds in (bare, metered)]
    return [f"{at_once} at once", word, *throughput, f"{added:.2f} ms", "exact" if exact else "WRONG"]


async def _ask() -> Answer:
    await asyncio.sleep(0)
    return Answer("ok", Usage(10, 10))


async def _seconds(call: Callable[[], Awaitable[Any]], count: int, at_once: int) -> float:
    left = iter(range(count))

    async def lane() -> None:
        for _ in left:
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(at_once)))
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
