"""What authors of custom programs and metrics write against; the standard library only, so that importing it is cheap.

A distribution registers its programs and metrics as entry points of the groups `ashgrove.programs` (`id@version`) and
`ashgrove.metrics` (plain names), functions that programs may use as tools in `ashgrove.tools`, and what looks examples
up in `ashgrove.retrievers` (both `id@version`).
docs/custom-programs.md and docs/tools.md tell the whole story.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

PROGRAMS, METRICS = "ashgrove.programs", "ashgrove.metrics"
TOOLS, RETRIEVERS = "ashgrove.tools", "ashgrove.retrievers"
"""The groups of entry points in which programs, metrics, tools and retrievers are registered."""

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict with text keys."""

Direction: TypeAlias = Literal["maximize", "minimize"]
Aggregation: TypeAlias = Literal["mean", "sum", "p50", "p95"]

Run: TypeAlias = Callable[[Mapping[str, Json], Mapping[str, Json]], Any]
"""`f(inputs, parameters)`, sync or async: returns a mapping of outputs or a Prediction."""

_DIRECTIONS, _AGGREGATIONS = ("maximize", "minimize"), ("mean", "sum", "p50", "p95")
_PART = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Prediction:
    """What a program may return instead of a plain mapping of outputs: the outputs, and a trace for metrics to read."""

    outputs: Mapping[str, Json]
    trace: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """A program that learns from the training examples once per configuration, before it runs.

    `prepare(examples, parameters)` gets examples of the form `{"inputs": {...}, "outputs": {...}}` and returns the
    function that is then called as `f(inputs, parameters)`. Both may be async.
    """

    prepare: Callable[[Sequence[Mapping[str, Json]], Mapping[str, Json]], Any]
    description: str = ""

    def __post_init__(self) -> None:
        if not callable(self.prepare):
            raise TypeError(f"prepare must be a function, not a {type(self.prepare).__name__}")


@dataclass(frozen=True)
class Part:
    """What is promised of one score of a metric that gives several."""

    low: float = -math.inf
    high: float = math.inf
    direction: Direction = "maximize"
    unit: str = ""
    aggregation: Aggregation = "mean"

    def __post_init__(self) -> None:
        _check_promise(self)


@dataclass(frozen=True)
class Metric:
    """A metric: how an answer is scored, and what is promised of the scores.

    `score(example, prediction, trace, params)` returns a number, or `{"scores": {part: number}, "feedback": text}` when
    the metric declares parts; `feedback_by_slot`, texts by the names of the program's slots, may stand beside the
    feedback. It may be async. A score outside `low` to `high` ends the evaluation as failed.
    """

    score: Callable[[Mapping[str, Json], Mapping[str, Json], Mapping[str, Json] | None, Mapping[str, Json]], Any]
    low: float = -math.inf
    high: float = math.inf
    direction: Direction = "maximize"
    unit: str = ""
    aggregation: Aggregation = "mean"
    description: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.score):
            raise TypeError(f"score must be a function, not a {type(self.score).__name__}")
        _check_promise(self)
        for name, part in self.parts.items():
            if not isinstance(part, Part):
                raise TypeError(f"the part {name!r} must be a Part, not a {type(part).__name__}")
            if not _PART.fullmatch(name):
                raise ValueError(f"the part {name!r} must be named in lower case, like `tone` or `word-order`")


def _check_promise(promise: Part | Metric) -> None:
    if not promise.low < promise.high:  # NaN compares false
        raise ValueError(f"low must be less than high, not {promise.low} and {promise.high}")
    if promise.direction not in _DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(_DIRECTIONS)}, not {promise.direction!r}")
    if promise.aggregation not in _AGGREGATIONS:
        raise ValueError(f"aggregation must be one of {', '.join(_AGGREGATIONS)}, not {promise.aggregation!r}")
