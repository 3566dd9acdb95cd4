"""What a run makes better, written as Python values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2
from ashgrove.values import numbered, to_struct

_Objective = optimization_run_pb2.Objective


@dataclass(frozen=True)
class Objective:
    """A metric to make better; its direction is the metric's own unless one is given."""

    metric: str
    direction: str = "unspecified"
    """maximize or minimize; the opposite of what the metric declares is refused."""
    threshold: float | None = None
    """At least this good, or the trial is infeasible."""
    reference: float | None = None
    """Where the hypervolume is measured from; the metric's worst end when None."""
    aggregation: str = "unspecified"
    """p50 or p95, of `latency_ms` only."""
    low: float | None = None
    """Of an external run: the least value that may be told."""
    high: float | None = None
    """Of an external run: the greatest value that may be told."""
    only_bounds: bool = False
    """Whether its threshold is all that counts: a constraint, with nothing to gain by keeping it by more."""
    metric_params: Mapping[str, Any] | None = None
    """What the metric is told beside each example, such as a `rubric` or a `pattern`."""

    def message(self) -> optimization_run_pb2.Objective:
        """Returns it as a message."""
        return _Objective(
            metric=self.metric,
            direction=numbered(_Objective.Direction, self.direction),
            threshold=self.threshold,
            reference=self.reference,
            low=self.low,
            high=self.high,
            only_bounds=self.only_bounds,
            metric_params=to_struct(self.metric_params) if self.metric_params else None,
            aggregation=numbered(_Objective.Aggregation, self.aggregation),
        )
