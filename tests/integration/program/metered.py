"""Connectors of a test's own, gates that meter what is asked of them, and what their books say."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from domain.pricing import Price, Usage
from framework.identifiers import new_id
from framework.storage import Database
from services.program.connectors.answer import Answer
from services.program.connectors.endpoint import Endpoint, Limits
from services.program.connectors.usage import usage_of
from services.program.metering.gate import Gate

PRICE = Price(input_micros=1_000_000, output_micros=1_000_000)
BODY = {"messages": [{"role": "user", "content": "x" * 60}]}


def endpoint(**limits: Any) -> Endpoint:
    """A connector of its own, with a price."""
    share = limits.pop("share", Limits())
    return Endpoint(
        new_id(), new_id(), "m", "openai", "http://m/v1", "m1", limits=Limits(**limits), share=share, prices=(PRICE,)
    )


def said(tokens: int = 10) -> Callable[[], Any]:
    """A model that takes some tokens in and as many out."""

    async def ask() -> Answer:
        await asyncio.sleep(0)
        return Answer("ok", Usage(tokens, tokens))

    return ask


@asynccontextmanager
async def gate(database: Database, *, close: bool = True) -> AsyncIterator[Gate]:
    """A gate under its lease; one that is not closed dies."""
    made = Gate(database)
    await made.open()
    yield made
    if close:
        await made.close()
        return
    for task in made._tasks:
        task.cancel()


async def totals(database: Database, where: Endpoint) -> Any:
    """Returns the totals of a connector, of one organization and model."""
    (found,) = await usage_of(database, where.id, "")
    return found


async def drawn(database: Database, where: Endpoint, unit: str) -> int:
    """Returns what of a limit is spent or held."""
    async with database.system() as tx:
        row = await tx.fetch_one(
            "SELECT sum(drawn)::bigint AS drawn FROM model_allowances WHERE connector_id = %(id)s AND unit = %(unit)s",
            {"id": where.id, "unit": unit},
        )
    return int(row["drawn"] or 0) if row else 0
