"""How a service's events flow, as OpenTelemetry metrics: what waits, how far each consumer is behind, who watches."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader
from opentelemetry.sdk.resources import Resource

from framework.errors import Failure
from framework.storage.database import Database

_EVERY_SECONDS = 15.0
_log = logging.getLogger("ashgrove.metrics")
METRICS = {
    "ashgrove.feed.sequence": ("{event}", "The sequence of the latest event of the service's feed."),
    "ashgrove.feed.lag": ("{event}", "How many events a consumer has not dealt with yet."),
    "ashgrove.feed.age": ("s", "How long the oldest event that a consumer has not dealt with has been waiting."),
    "ashgrove.outbox.depth": ("{event}", "How many events are committed and not numbered yet."),
    "ashgrove.watchers": ("{stream}", "How many streams of this process follow the service's feed."),
}
"""Every metric with its unit and what it says."""
_LOOK = """
SELECT h.last_sequence, (SELECT count(*) FROM outbox) AS depth, c.consumer, h.last_sequence - c.sequence AS lag,
       extract(epoch FROM clock_timestamp() - (
           SELECT f.recorded_at FROM feed f WHERE f.sequence > c.sequence ORDER BY f.sequence LIMIT 1
       ))::float AS age
FROM feed_head h LEFT JOIN feed_consumers c ON true ORDER BY c.consumer
"""


@dataclass(frozen=True)
class Lag:
    """How far one consumer is behind, by what it has acknowledged: up to five seconds more than it is."""

    consumer: str
    events: int
    seconds: float


@dataclass(frozen=True)
class Flow:
    """What one look at a service's feed found."""

    sequence: int = 0
    depth: int = 0
    lags: list[Lag] = field(default_factory=list)


async def flow_of(database: Database) -> Flow:
    """Looks at a service's feed."""
    async with database.system() as tx:
        rows = await tx.fetch(_LOOK)
    lags = [Lag(row["consumer"], row["lag"], round(row["age"] or 0.0, 3)) for row in rows if row["consumer"]]
    return Flow(rows[0]["last_sequence"], rows[0]["depth"], lags)


class Measures:
    """Keeps one service's metrics current and writes them as a log line; `readers` read them too."""

    def __init__(self, database: Database, watchers: Callable[[], int], readers: Sequence[MetricReader] = ()) -> None:
        self.database = database
        self.flow = Flow()
        self.reader = InMemoryMetricReader()
        resource = Resource({"service.name": f"ashgrove-{database.service}"})
        self.provider = MeterProvider([self.reader, *readers], resource, shutdown_on_exit=False)
        meter = self.provider.get_meter("ashgrove")
        reads: dict[str, Callable[[], Iterable[Observation]]] = {
            "ashgrove.feed.sequence": lambda: [Observation(self.flow.sequence)],
            "ashgrove.feed.lag": lambda: [Observation(c.events, {"consumer": c.consumer}) for c in self.flow.lags],
            "ashgrove.feed.age": lambda: [Observation(c.seconds, {"consumer": c.consumer}) for c in self.flow.lags],
            "ashgrove.outbox.depth": lambda: [Observation(self.flow.depth)],
            "ashgrove.watchers": lambda: [Observation(watchers())],
        }
        for name, read in reads.items():
            meter.create_observable_gauge(name, [_callback(read)], *METRICS[name])

    async def run(self) -> None:
        """Looks and writes every 15 seconds until cancelled; a database that is away is looked at again."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                self.flow = await flow_of(self.database)
            except Failure:
                continue
            _log.info("metrics %s", json.dumps(self.values()))

    def values(self) -> dict[str, float]:
        """Returns every metric's latest value, by its name and, in braces, whom it is about."""
        data = self.reader.get_metrics_data()
        metrics = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics] if data else []
        return {_named(m.name, point.attributes): point.value for m in metrics for point in m.data.data_points}  # type: ignore[union-attr]


def _callback(read: Callable[[], Iterable[Observation]]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    return lambda _: read()


def _named(name: str, attributes: Any) -> str:
    return f"{name}{{{attributes['consumer']}}}" if attributes else name
