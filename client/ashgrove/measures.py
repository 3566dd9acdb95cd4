"""What the operator offers: the metrics that evaluations know, and the code that custom programs can run."""

from collections.abc import Iterator

from ashgrove.areas import ProgramArea
from ashgrove.collection import Kind
from ashgrove.program.v1 import metric_pb2


class Metrics(Kind[metric_pb2.Metric]):
    """Everything that evaluations can measure."""

    area, noun, plural = ProgramArea, "Metric", "metrics"

    def list(self) -> Iterator[metric_pb2.Metric]:
        """Yields the metrics: the built-in ones first; one that cannot be used says why in `error`."""
        return iter(self._call("ListMetrics").metrics)
