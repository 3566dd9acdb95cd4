"""Whose work a model call belongs to, and what that work may still spend; known to every call made inside it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.pricing import Usage
from services.program.connectors.faults import BudgetSpent
from services.program.story import Story


@dataclass(frozen=True)
class Charge:
    """What a call came to; the cost is None where its price is unknown."""

    usage: Usage
    cost_nanos: int | None
    latency_ms: float
    estimated: bool


class Budget:
    """What one piece of work may spend, in billionths of a dollar: reserved before each call, settled after it.

    What its calls took is added up beside it, those that were stopped included.
    """

    def __init__(self, limit_nanos: int | None = None, *, counted: bool = False) -> None:
        self.limit_nanos = limit_nanos
        self.counted = counted
        """Whether others keep a limit by what its calls cost, which must then be known."""
        self.spent_nanos = 0
        self.reserved_nanos = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.latency_ms = 0.0
        self.unpriced = False
        self.estimated = False

    def reserve(self, nanos: int) -> None:
        """Sets money aside; raises BudgetSpent when there is not enough."""
        free = None if self.limit_nanos is None else self.limit_nanos - self.spent_nanos - self.reserved_nanos
        if free is not None and nanos > free:
            raise BudgetSpent(
                f"the next call may cost ${nanos / 1e9:.6f}, and ${max(0, free) / 1e9:.6f} of the limit is left: "
                "raise max_cost_micros, or lower max_tokens"
            )
        self.reserved_nanos += nanos

    def settle(self, reserved: int, charge: Charge | None) -> None:
        """Turns what was set aside into what it came to; None for a call that cost nothing."""
        self.reserved_nanos -= reserved
        if charge is None:
            return
        self.spent_nanos += charge.cost_nanos or 0
        self.input_tokens += charge.usage.input_tokens
        self.output_tokens += charge.usage.output_tokens
        self.latency_ms += charge.latency_ms
        self.unpriced = self.unpriced or charge.cost_nanos is None
        self.estimated = self.estimated or charge.estimated


@dataclass
class Work:
    """One execution, evaluation or test: in whose organization, for whom, and under which budget."""

    organization_id: UUID
    id: UUID | None = None
    owner_id: UUID | None = None
    purpose: str = "PROGRAM"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What the settings of its programs are laid over."""
    budget: Budget = field(default_factory=Budget)
    story: Story | None = None
    """What is kept of its way; of evaluations nothing is."""
    private: bool = False
    """Whether what it asks and is answered may be written down nowhere, traces included."""


_current: ContextVar[Work | None] = ContextVar("ashgrove_work", default=None)
_purpose: ContextVar[str] = ContextVar("ashgrove_purpose", default="")


def current_work() -> Work | None:
    """Returns the work inside which this runs; None outside any."""
    return _current.get()


def current_purpose(work: Work) -> str:
    """Returns what a call that is made now is for."""
    return _purpose.get() or work.purpose


@contextmanager
def inside(work: Work) -> Iterator[Work]:
    """Makes every call inside the block, and in tasks that it starts, one of this work."""
    token = _current.set(work)
    try:
        yield work
    finally:
        _current.reset(token)


@contextmanager
def meant_as(purpose: str) -> Iterator[None]:
    """Marks the calls inside the block: `RETRY`, `JUDGE` or `PROPOSER`; empty leaves them what they are."""
    token = _purpose.set(purpose or _purpose.get())
    try:
        yield
    finally:
        _purpose.reset(token)
