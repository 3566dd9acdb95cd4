"""What the service and its code workers say to each other: limits, results, faults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from domain.values import Json

ErrorClass: TypeAlias = Literal[
    "TIMEOUT",
    "CPU_LIMIT",
    "MEMORY_LIMIT",
    "CRASH",
    "IMPORT",
    "UNREGISTERED",
    "EXCEPTION",
    "BAD_OUTPUT",
    "METRIC",
]
"""What kind of fault a custom program or metric committed; the names of the proto's ErrorClass without its prefix."""

SURVIVED: frozenset[ErrorClass] = frozenset({"EXCEPTION", "BAD_OUTPUT", "METRIC"})
"""The faults after which the session goes on; all others end it."""


class CodeFault(Exception):  # noqa: N818 - the word a caller reads
    """Custom code did something wrong; the message is fit for the caller and names no path of the machine."""

    def __init__(self, error_class: ErrorClass, message: str) -> None:
        self.error_class = error_class
        self.message = message
        super().__init__(message)


class WorkersClosed(Exception):  # noqa: N818 - what happened
    """The workers were closed meanwhile: nobody's fault, and no result."""


@dataclass(frozen=True)
class Limits:
    """What a session may take: time per call and to prepare, CPU time in all, and memory."""

    call_ms: int = 30_000
    prepare_ms: int = 60_000
    cpu_seconds: int = 300
    memory_mb: int = 1024


@dataclass(frozen=True)
class Ran:
    """What a program made of one input; the latency is that of the call alone."""

    outputs: Mapping[str, Json]
    trace: Mapping[str, Json]
    latency_ms: float


@dataclass(frozen=True)
class Scored:
    """The scores that a metric gave, by full name (`metric` or `metric.part`), and what it had to say."""

    scores: Mapping[str, float]
    feedback: str = ""
    feedback_by_slot: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Promise:
    """What a metric promises of one of its scores."""

    name: str
    direction: str
    low: float | None
    """The least value; None when there is none."""
    high: float | None
    unit: str
    aggregation: str


@dataclass(frozen=True)
class RegisteredProgram:
    """A registered program, tool or retriever, or why it cannot be used."""

    entry_point: str
    description: str = ""
    error: str = ""


@dataclass(frozen=True)
class RegisteredMetric:
    """A registered metric with its promises by full score name, or why it cannot be used."""

    name: str
    description: str = ""
    scores: Mapping[str, Promise] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Everything that is registered, by name."""

    programs: Mapping[str, RegisteredProgram] = field(default_factory=dict)
    metrics: Mapping[str, RegisteredMetric] = field(default_factory=dict)
    tools: Mapping[str, RegisteredProgram] = field(default_factory=dict)
    retrievers: Mapping[str, RegisteredProgram] = field(default_factory=dict)
