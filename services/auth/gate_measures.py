"""What the gate tells of itself as metrics: whether its limits are everybody's, and how old its memory is."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource

_EVERY_SECONDS = 15.0
_log = logging.getLogger("ashgrove.metrics")
METRICS = {
    "ashgrove.limits.shared": ("1", "1 while limits are counted for all processes together, 0 while Redis is away."),
    "ashgrove.credentials.age": ("s", "How long ago the credentials in memory were last known to be current."),
}
"""Every metric with its unit and what it says."""


class GateMeasures:
    """Reads the gate's metrics when asked, and writes them as a log line; `readers` read them too."""

    def __init__(self, shared: Callable[[], bool], age: Callable[[], float], readers: Sequence[MetricReader]) -> None:
        self.reads: Mapping[str, Callable[[], float]] = {
            "ashgrove.limits.shared": lambda: float(shared()),
            "ashgrove.credentials.age": age,
        }
        self._provider = MeterProvider(readers, Resource({"service.name": "ashgrove-authz"}), shutdown_on_exit=False)
        meter = self._provider.get_meter("ashgrove")
        for name, read in self.reads.items():
            meter.create_observable_gauge(name, [_callback(read)], *METRICS[name])

    async def run(self) -> None:
        """Writes every 15 seconds until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            values = {name: round(read(), 3) for name, read in self.reads.items()}
            _log.info("metrics %s", json.dumps(values))


def _callback(read: Callable[[], float]) -> Callable[[CallbackOptions], list[Observation]]:
    return lambda _: [Observation(read())]
