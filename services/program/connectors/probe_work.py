"""Does one probe of a connector: a check of its endpoint, or a test call."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from framework.errors import Failure
from framework.storage import Leases
from framework.tasks import stopped
from services.program.connectors.desk import Desk, bounded
from services.program.connectors.faults import ModelFault, ModelRefused
from services.program.metering.work import Work
from services.program.resources.connector import Connector
from services.program.waking import LEASE_SECONDS, topic
from services.program.working import RENEW_SECONDS, Row, Workshop

OPEN = "said IS NULL AND created_at > clock_timestamp() - interval '1 minute'"
"""Which probes are worth doing: nobody waits for one longer than a minute."""
_SECONDS = 20.0
"""How long a probe may take, whatever the connector allows: somebody waits for it."""
_ANSWER_SECONDS = 18.0
"""How long the model may take of that for a test call; what is left is for its turn."""
_END = """
UPDATE connector_probes SET said = %(said)s, lease_until = NULL
WHERE organization_id = %(organization)s AND id = %(id)s AND fencing_token = %(token)s
"""
_OLD = "DELETE FROM connector_probes WHERE created_at < clock_timestamp() - interval '1 hour'"


class ProbeWork:
    """The work on one claimed probe."""

    def __init__(self, workshop: Workshop, leases: Leases, row: Row) -> None:
        self.workshop = workshop
        self.leases = leases
        self.row = row

    async def do(self) -> None:
        """Asks the endpoint and writes down what it said; nobody else asks it meanwhile, for a test call is paid."""
        holding = asyncio.create_task(self._hold())
        try:
            await self._do()
        finally:
            await stopped([holding])

    async def _hold(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            with suppress(Failure):  # a database that is away is asked again
                await self.leases.renew(dict(self.row), LEASE_SECONDS)

    async def _do(self) -> None:
        row, began = self.row, time.perf_counter()
        work = Work(row["organization_id"], row["id"], row["owner_id"], purpose="TEST")
        try:
            said = await bounded(_SECONDS, self._said(work))
        except ModelFault as fault:
            said = {"error": str(fault), "error_class": fault.error_class}
        said.setdefault("latency_ms", (time.perf_counter() - began) * 1000)
        if row["verb"] == "CheckConnector":
            await self._keep_health(said)
        names = {"organization": row["organization_id"], "id": row["id"], "token": row["fencing_token"]}
        async with self.workshop.database.system() as tx:
            await tx.execute(_END, names | {"said": Jsonb(said)})
            await tx.execute(_OLD)
        await self.workshop.engine.hints.publish(topic("probe", row["id"]))

    async def _said(self, work: Work) -> dict[str, Any]:
        desk = self.workshop.desk
        endpoint = await desk.directory.by_id(work.organization_id, self.row["connector_id"]) if desk else None
        if desk is None or endpoint is None:
            raise ModelRefused("this worker asks no connectors")
        if self.row["verb"] == "CheckConnector":
            await desk.check(endpoint, work)
            return {}
        return await _tried(desk, endpoint, work, self.row["asked"])

    async def _keep_health(self, said: Mapping[str, Any]) -> None:
        health = {
            "state": "STATE_FAILING" if said.get("error") else "STATE_HEALTHY",
            "checked_at": datetime.now(UTC).isoformat(),
            "latency_ms": said["latency_ms"],
            "error": said.get("error", ""),
        }
        call = self.workshop.call(self.row, "CheckConnector")
        await call.update(Connector, str(self.row["connector_id"]), {"health": Jsonb(health)}, move="checked")


async def _tried(desk: Desk, endpoint: Any, work: Work, asked: Mapping[str, Any]) -> dict[str, Any]:
    request = {"messages": [{"role": "user", "content": asked["prompt"]}]}
    answer, charge = await desk.ask(endpoint, work, request, asked["max_tokens"], _ANSWER_SECONDS)
    said: dict[str, Any] = {
        "answered": True,
        "text": answer.text.replace("\x00", "\ufffd"),
        "latency_ms": charge.latency_ms,
        "input_tokens": charge.usage.input_tokens,
        "output_tokens": charge.usage.output_tokens,
    }
    return said | ({} if charge.cost_nanos is None else {"cost_nanos": charge.cost_nanos})
