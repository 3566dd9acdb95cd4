"""What rows come to: each measure as SQL that no value can make fail, with the kind and the default of its result."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, cast, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB

from framework.query.fragments import Fragment, Once
from framework.resource import Kind
from framework.resource.fields import Field

_BIGINT = BigInteger()
_DOUBLE: Double[float] = Double()
_NUMBERS = frozenset({Kind.INTEGER, Kind.BIGINT, Kind.DOUBLE})
_ORDERED = _NUMBERS | {Kind.TEXT, Kind.TIMESTAMP}
_COUNTED = frozenset(Kind)
Build = Callable[[Kind, ColumnElement[Any]], ColumnElement[Any]]


@dataclass(frozen=True)
class Function:
    """A measure: what it can measure, the kind of what it gives, and whether that of nothing is null."""

    build: Build
    takes: frozenset[Kind]
    gives: Callable[[Kind], Kind]
    nullable: bool = True

    def result(self, name: str, field: Field) -> Field:
        """Returns the field that a measurement of a field makes."""
        made = replace(field, name=name, kind=self.gives(field.kind), nullable=self.nullable)
        return replace(made, guarded=False, computed=False)


def _sum(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    if kind is Kind.DOUBLE:
        return func.coalesce(func.sum(bounded(kind, value)), 0.0, type_=_DOUBLE)
    # The sum of integers is as long as it must be; ours ends where 64 bits do.
    total = Fragment("coalesce(sum(", value, "), 0)", type_=_BIGINT)
    return Fragment("least(greatest(", total, ", -9223372036854775808), 9223372036854775807)::bigint", type_=_BIGINT)


def _average(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    # PostgreSQL's own avg of doubles squares them on the way, which may overflow.
    numbers = bounded(kind, value)
    return Fragment("sum(", numbers, ") / nullif(count(", value, "), 0)", type_=_DOUBLE)


def _percentile(share: str) -> Build:
    def build(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
        return Fragment(f"percentile_cont({share}) WITHIN GROUP (ORDER BY ", bounded(kind, value), ")", type_=_DOUBLE)

    return build


def bounded(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns a number as a double that arithmetic over many such cannot lead out of range.

    What is beyond 1e290 counts as that, what is within 1e-290 of zero as zero.
    """
    if kind is not Kind.DOUBLE:
        return cast(value, _DOUBLE)
    value = Once(value)
    inside = ("least(greatest(", value, ", -1e290), 1e290)")
    return Fragment(
        "CASE WHEN abs(", value, ") >= 1e-290 THEN ", *inside, " WHEN ", value, " IS NOT NULL THEN 0 END", type_=_DOUBLE
    )


def _least(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.min(value, type_=value.type)


def _greatest(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.max(value, type_=value.type)


def _count(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.count(value, type_=_BIGINT)


def _count_distinct(kind: Kind, value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.count(value.distinct(), type_=_BIGINT)


def _whole(kind: Kind) -> Kind:
    return Kind.BIGINT


def _number(kind: Kind) -> Kind:
    return Kind.DOUBLE


def _same(kind: Kind) -> Kind:
    return kind


def _total(kind: Kind) -> Kind:
    return kind if kind is Kind.DOUBLE else Kind.BIGINT


FUNCTIONS = {
    "count": Function(_count, _COUNTED, _whole, nullable=False),
    "count_distinct": Function(_count_distinct, _COUNTED, _whole, nullable=False),
    "sum": Function(_sum, _NUMBERS, _total, nullable=False),
    "avg": Function(_average, _NUMBERS, _number),
    "min": Function(_least, _ORDERED, _same),
    "max": Function(_greatest, _ORDERED, _same),
    "p50": Function(_percentile("0.5"), _NUMBERS, _number),
    "p95": Function(_percentile("0.95"), _NUMBERS, _number),
    "p99": Function(_percentile("0.99"), _NUMBERS, _number),
}
"""Every measure of one field but the histogram, which needs the ends of all values first."""
HISTOGRAM = Function(bounded, _NUMBERS, lambda kind: Kind.JSON)


def everything() -> ColumnElement[Any]:
    """Returns the number of rows."""
    return func.count(type_=_BIGINT)


def ends(kind: Kind, value: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    """Returns a histogram's value with the least and the greatest of all rows, for the statement it counts over."""
    number = bounded(kind, value)
    return [number, func.min(number, type_=_DOUBLE).over(), func.max(number, type_=_DOUBLE).over()]


def histogram(
    value: ColumnElement[Any], low: ColumnElement[Any], high: ColumnElement[Any], bins: int
) -> ColumnElement[Any]:
    """Returns the bins of values between their ends; null where there is no value."""
    # The greatest value belongs to the last bin; where all are the same, the first is the only one that holds any.
    within = ("width_bucket(", value, ", ", low, ", ", high, f", {bins})")
    place = ("least(CASE WHEN ", high, " > ", low, " THEN ", *within, f" ELSE 1 END, {bins})")
    counts = [("count(", value, ") FILTER (WHERE ", *place, f" = {n})") for n in range(1, bins + 1)]
    told = [piece for one in counts for piece in (", ", *one)][1:]
    made = ("jsonb_build_object('low', min(", low, "), 'high', max(", high, "), 'counts', jsonb_build_array(", *told)
    return Fragment("CASE WHEN count(", value, ") > 0 THEN ", *made, ")) END", type_=JSONB())


UNITS = ("minute", "hour", "day", "week", "month")


def bucket(unit: str, moment: ColumnElement[Any]) -> ColumnElement[Any]:
    """Returns when the stretch of time begins, in UTC, that a moment lies in."""
    return func.date_trunc(literal_column(f"'{unit}'"), moment, literal_column("'UTC'"), type_=moment.type)
