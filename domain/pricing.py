"""What model calls cost: prices with dates, money in billionths of a US dollar, and unknown is not zero."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TOKENS = 1_000_000
"""What a price of tokens is for."""
NANOS = 1_000
"""Billionths in a millionth."""
MARGIN_PERCENT = 120
"""How far a reservation of input exceeds what it is expected to be."""
UNCALIBRATED = 0.5
"""Tokens per byte of request where nothing was counted yet: more than any known tokenizer takes of ordinary text."""

MOST_TOKENS = 100_000_000
"""More than any call takes."""


@dataclass(frozen=True)
class Usage:
    """What one call took; `input_tokens` include the cached ones, `output_tokens` any reasoning."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0


def believed(input_tokens: Any, output_tokens: Any, cached_input_tokens: Any = 0) -> Usage | None:
    """Returns what an endpoint says that a call took; None where that cannot be, and the call is estimated.

    The books of all calls are written together: a count that no column holds would keep every other out of them.
    """
    if not (_is_count(input_tokens) and _is_count(output_tokens)):
        return None
    return Usage(input_tokens, output_tokens, cached_input_tokens if _is_count(cached_input_tokens) else 0)


def _is_count(told: Any) -> bool:
    return type(told) is int and 0 <= told <= MOST_TOKENS


@dataclass(frozen=True)
class Price:
    """A price while it holds: millionths of a dollar per million tokens, billionths per request; None is unknown."""

    input_micros: int | None = None
    output_micros: int | None = None
    cached_input_micros: int | None = None
    request_nanos: int = 0
    since: datetime | None = None
    until: datetime | None = None

    @property
    def known(self) -> bool:
        """Says whether every call has a cost at it."""
        return self.input_micros is not None and self.output_micros is not None

    def holds(self, at: datetime) -> bool:
        """Says whether it holds at a time."""
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def cost_nanos(self, usage: Usage) -> int | None:
        """Returns what a call costs, rounded up to a whole billionth; None where its price is unknown."""
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        parts = [
            (usage.input_tokens - cached, self.input_micros),
            (cached, self.input_micros if self.cached_input_micros is None else self.cached_input_micros),
            (usage.output_tokens, self.output_micros),
        ]
        if any(count and micros is None for count, micros in parts):
            return None
        whole = sum(count * (micros or 0) for count, micros in parts)
        return -(-whole * NANOS // TOKENS) + self.request_nanos


def price_at(prices: Iterable[Price], at: datetime) -> Price | None:
    """Returns the price that holds at a time, of several the one that began last; None when none does."""
    holding = [price for price in prices if price.holds(at)]
    return max(holding, key=lambda price: price.since.timestamp() if price.since else float("-inf"), default=None)


def expected(request_bytes: int, max_tokens: int, tokens_per_byte: float) -> Usage:
    """Returns the most that a call is expected to take: its input with a margin, and all the output it may give."""
    input_tokens = -int(-request_bytes * tokens_per_byte * MARGIN_PERCENT // 100)
    return Usage(max(1, input_tokens), max_tokens)


def micros(nanos: int) -> int:
    """Returns billionths as millionths, rounded up."""
    return -(-nanos // NANOS)


def refusal(*, limited: bool, price: Price | None, max_tokens: int | None) -> str:
    """Returns why a call under a budget of money may not begin, and what to do about it; empty where it may."""
    if not limited:
        return ""
    if price is None or not price.known:
        return "the spending limit cannot be kept: the price is unknown; give the connector prices for input and output"
    return "" if max_tokens else "the spending limit cannot be kept: the output has no bound; set max_tokens"
