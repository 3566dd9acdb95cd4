"""The job of retention: every hour, in whichever worker comes first; and what it tells of itself as metrics."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

from framework.errors import Failure
from framework.storage import Database
from services.program.retention.batches import Busy, Counts
from services.program.retention.deleting import delete_old
from services.program.retention.lapsing import let_lapse

_EVERY_SECONDS = 3600.0
_log = logging.getLogger(__name__)
METRICS = {
    "ashgrove.retention.lapsed": ("{execution}", "From how many executions a part went that is kept no longer."),
    "ashgrove.retention.deleted": ("{row}", "How many rows were deleted because they were old enough."),
    "ashgrove.retention.age": ("s", "How long ago this process last finished a pass, or saw another at it."),
}
"""Every metric with its unit and what it says."""


class Retention:
    """Lets go of what is kept no longer; any number may run, one of them writes."""

    def __init__(
        self,
        database: Database,
        keep_days: Mapping[str, int],
        readers: Sequence[MetricReader] = (),
        *,
        every: float = 0,
    ) -> None:
        self.database = database
        self.keep_days = keep_days
        self.counts = Counts()
        self._every = every or _EVERY_SECONDS
        self._passed_at = time.monotonic()
        provider = MeterProvider(readers, Resource({"service.name": "ashgrove-program-worker"}), shutdown_on_exit=False)
        meter = provider.get_meter("ashgrove")
        for what, by in (("lapsed", "part"), ("deleted", "collection")):
            name = f"ashgrove.retention.{what}"
            meter.create_observable_counter(name, [_callback(self._counted, what, by)], *METRICS[name])
        age = "ashgrove.retention.age"
        meter.create_observable_gauge(age, [_callback(self._aged)], *METRICS[age])

    async def run(self) -> None:
        """Does a pass every hour until cancelled; what fails is tried again an hour later."""
        while True:
            try:
                await self.once()
            except Failure as failure:
                _log.warning("what is kept no longer could not be let go; trying again in an hour: %s", failure)
            await asyncio.sleep(self._every)

    async def once(self) -> Counts:
        """Does one pass and returns what it did; nothing while another process is at it."""
        done = Counts()
        try:
            done += await let_lapse(self.database)
            done += await delete_old(self.database, self.keep_days)
        except Busy:
            _log.info("another process lets go of what is kept no longer")
        self.counts += done
        self._passed_at = time.monotonic()
        for (what, of), count in done.items():
            _log.info("%d %s: %s", count, what, of)
        return done

    def _counted(self, what: str, by: str) -> list[Observation]:
        return [Observation(count, {by: of}) for (done, of), count in self.counts.items() if done == what]

    def _aged(self) -> list[Observation]:
        return [Observation(time.monotonic() - self._passed_at)]


def _callback(
    read: Callable[..., Iterable[Observation]], *told: str
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: read(*told)
