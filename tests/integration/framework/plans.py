"""How PostgreSQL comes to an answer, as the service's own role, behind its wall."""

from collections.abc import Iterator
from typing import Any

from framework.testing.workbench import Workbench


async def planned(bench: Workbench, sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns every node of the plan that answered a statement, with what it really read."""
    async with bench.database.tenant(bench.organization_id) as tx:
        (told,) = await tx.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
    return list(_nodes(told["QUERY PLAN"][0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)
