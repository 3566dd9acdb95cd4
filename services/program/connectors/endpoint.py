"""A connector as workers need it: where to ask, how, how much, and at which prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.pricing import Price

EVERYBODY = UUID(int=0)
"""Whom a connector's own limits are about."""


@dataclass(frozen=True)
class Limits:
    """How much may be asked; None is not limited. Money in billionths of a dollar."""

    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    spend_nanos_per_month: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Limits":
        """Returns limits out of what a column holds."""
        row = stored or {}
        spend = row.get("spend_micros_per_month")
        return cls(
            row.get("concurrency"),
            row.get("requests_per_minute"),
            _whole(row.get("tokens_per_minute")),
            None if spend is None else int(spend) * 1000,
        )


@dataclass(frozen=True)
class Endpoint:
    """One connector for one organization; `lender_id` is the organization that it belongs to."""

    id: UUID
    lender_id: UUID
    name: str
    provider: str
    base_url: str
    model: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    limits: Limits = Limits()
    share: Limits = Limits()
    weight: int = 1
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    output_tokens: int = 0
    """The most that the model may answer; 0 for no other bound than the program's."""
    max_tokens_field: str = "max_tokens"
    streams: bool = False
    prices: tuple[Price, ...] = ()

    @property
    def limited(self) -> bool:
        """Says whether money is limited."""
        return self.limits.spend_nanos_per_month is not None or self.share.spend_nanos_per_month is not None


def endpoint_of(row: Mapping[str, Any], share: Mapping[str, Any] | None = None) -> Endpoint:
    """Returns an endpoint out of a connector's row and, where it is another organization's, its share's."""
    timeouts, can = row["timeouts"] or {}, row["capabilities"] or {}
    return Endpoint(
        row["id"],
        row["organization_id"],
        row["name"],
        row["provider"],
        row["base_url"],
        row["model"],
        row["headers"] or {},
        row["secret"],
        Limits.of(row["limits"]),
        Limits.of(share["limits"]) if share else Limits(),
        share["weight"] if share else 1,
        timeouts.get("connect_ms", 5_000) / 1000,
        timeouts.get("read_ms", 60_000) / 1000,
        can.get("output_tokens", 0),
        can.get("max_tokens_field") or "max_tokens",
        can.get("streaming", False),
        tuple(_price(each) for each in row["prices"] or []),
    )


def _price(stored: Mapping[str, Any]) -> Price:
    return Price(
        _whole(stored.get("input_micros")),
        _whole(stored.get("output_micros")),
        _whole(stored.get("cached_input_micros")),
        _whole(stored.get("request_nanos")) or 0,
        _time(stored.get("from")),
        _time(stored.get("until")),
    )


def _whole(value: Any) -> int | None:
    # JSON of protos writes large integers as text.
    return None if value is None else int(value)


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None
