"""What the second job makes small."""

from collections.abc import Mapping
from typing import Any

from ashgrove.custom import Metric


def _kilobytes(
    example: Mapping[str, Any],
    prediction: Mapping[str, Any],
    trace: Mapping[str, Any] | None,
    params: Mapping[str, Any],
) -> float:
    if trace is None or "bytes" not in trace:
        raise ValueError("kilobytes reads `bytes` from the trace of a prediction, and this program left none there")
    return float(trace["bytes"]) / 1024


kilobytes = Metric(
    _kilobytes,
    low=0.0,
    direction="minimize",
    unit="KiB",
    description="The arrays that a classifier has learned and keeps: the same for every prediction of one classifier.",
)
