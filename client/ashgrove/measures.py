"""What the operator offers: the metrics that evaluations know, and the code that custom programs can run."""

from collections.abc import Iterator

from ashgrove.collection import Kind
from ashgrove.program.v1 import metric_pb2
from ashgrove.program.v1 import program_service_pb2 as pb
from ashgrove.program.v1.program_service_pb2_grpc import ProgramServiceStub


class Metrics(Kind[metric_pb2.Metric]):
    """Everything that evaluations can measure."""

    service, messages, noun, plural = ProgramServiceStub, pb, "Metric", "metrics"

    def list(self) -> Iterator[metric_pb2.Metric]:
        """Yields the metrics: the built-in ones first; one that cannot be used says why in `error`."""
        return iter(self._call("ListMetrics").metrics)
