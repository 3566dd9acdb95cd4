"""The words that declare what related rows come to, as computed fields: `avg("executions", "latency_ms")`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from framework.query.columns import Columns
from framework.query.formulas import Formula
from framework.query.measures import FUNCTIONS, HISTOGRAM, UNITS, bucket, ends, everything
from framework.query.measures import histogram as spread
from framework.query.related_rows import EMPTY, Related, mistyped
from framework.query.sources import Source
from framework.resource import Kind
from framework.resource.fields import Field

_RFC3339: ColumnElement[str] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS"Z"'""")


@dataclass(frozen=True)
class Measured(Related):
    """One measure of the rows: its default where there are none is 0 for counts and sums, and absence for others."""

    function: str = "count"
    default: Any = None

    def __str__(self) -> str:
        return f"{self.function}({self._told})"

    @property
    def always(self) -> bool:
        """Whether it is a count, a sum, or has a default."""
        return self.default is not None or not FUNCTIONS[self.function].nullable

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns the measure as a scalar subquery."""
        there, rows = self.rows(columns)
        value = _measure(self.function, self.read(there) if self.field else None)
        found = rows.add_columns(value).scalar_subquery()
        return found if self.default is None else func.coalesce(found, literal(self.default), type_=value.type)

    def misfits(self, field: Field, there: Columns) -> Iterator[str]:
        """Yields a measure of the wrong type, and one that may be absent where its field may not."""
        source = self.read(there) if self.field else None
        yield from _unmeasurable(self.function, source)
        result = FUNCTIONS[self.function].result(field.name, source.field) if source else None
        kind = result.kind if result else Kind.BIGINT
        yield from mistyped(field, kind)
        if result and result.nullable and self.default is None and not field.nullable:
            yield f"{self.function} of no rows is absent: declare the field optional, or give a default"


def count(path: str, where: str = "") -> Formula:
    """Counts related rows."""
    return Measured(path, "", where)


def count_distinct(path: str, field: str, where: str = "") -> Formula:
    """Counts the different values of a field of related rows."""
    return Measured(path, field, where, "count_distinct")


def sum_of(path: str, field: str, where: str = "") -> Formula:
    """Adds up a field of related rows: 0 of none; ends where 64 bits do."""
    return Measured(path, field, where, "sum")


def avg(path: str, field: str, where: str = "", default: float | None = None) -> Formula:
    """Returns the mean of a field of related rows: absent of none."""
    return Measured(path, field, where, "avg", default)


def min_of(path: str, field: str, where: str = "", default: Any = None) -> Formula:
    """Returns the least value of a field of related rows: absent of none."""
    return Measured(path, field, where, "min", default)


def max_of(path: str, field: str, where: str = "", default: Any = None) -> Formula:
    """Returns the greatest value of a field of related rows: absent of none."""
    return Measured(path, field, where, "max", default)


def p50(path: str, field: str, where: str = "", default: float | None = None) -> Formula:
    """Returns the median of a field of related rows, drawn straight between its neighbours: absent of none."""
    return Measured(path, field, where, "p50", default)


def p95(path: str, field: str, where: str = "", default: float | None = None) -> Formula:
    """Returns the 95th percentile in the same way."""
    return Measured(path, field, where, "p95", default)


def p99(path: str, field: str, where: str = "", default: float | None = None) -> Formula:
    """Returns the 99th percentile in the same way."""
    return Measured(path, field, where, "p99", default)


@dataclass(frozen=True)
class histogram(Related):  # noqa: N801 - reads as a word of the declaration
    """How a field of related rows is spread over bins of equal width, as an ashgrove.resource.v1.Histogram."""

    bins: int = 10

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns the histogram as JSON, null of no rows."""
        there, rows = self.rows(columns)
        source = self.read(there)
        value, low, high = ends(source.field.kind, source.value)
        found = rows.add_columns(value.label("value"), low.label("low"), high.label("high")).subquery()
        made = spread(found.c.value, found.c.low, found.c.high, self.bins)
        return select(made).select_from(found).scalar_subquery()

    def misfits(self, field: Field, there: Columns) -> Iterator[str]:
        """Yields what is no number, and a field that is no Histogram."""
        if self.read(there).field.kind not in HISTOGRAM.takes:
            yield f"{self.field} is no number"
        if _message_of(field) != "ashgrove.resource.v1.Histogram" or field.descriptor.is_repeated:
            yield "must be an ashgrove.resource.v1.Histogram"


@dataclass(frozen=True)
class over_time(Related):  # noqa: N801 - reads as a word of the declaration
    """A measure of related rows in each stretch of time that has any, as a list of ashgrove.resource.v1.TimeBucket.

    The latest ones, in order; `by` names the time, `unit` is minute, hour, day, week or month in UTC, `function` is
    `count` or measures `field`.
    """

    function: str = "count"
    by: str = "created_at"
    unit: str = "day"
    most: int = 100

    def expression(self, columns: Columns) -> ColumnElement[Any]:
        """Returns a JSON array, the earliest bucket first."""
        there, rows = self.rows(columns)
        value = _measure(self.function, self.read(there) if self.field else None)
        start = bucket(self.unit, there[self.by]).label("start")
        grouped = rows.add_columns(start, value.label("value")).group_by(start)
        found = grouped.order_by(start.desc()).limit(self.most).subquery()
        told = func.to_char(func.timezone(literal_column("'UTC'"), found.c.start), _RFC3339)
        one = func.jsonb_build_object(literal_column("'start'"), told, literal_column("'value'"), found.c.value)
        made = func.jsonb_agg(aggregate_order_by(one, found.c.start), type_=JSONB())
        return select(func.coalesce(made, EMPTY, type_=JSONB())).scalar_subquery()

    def misfits(self, field: Field, there: Columns) -> Iterator[str]:
        """Yields an unknown unit or time, what is no number, and a field that holds no TimeBuckets."""
        if self.unit not in UNITS or self.by not in there.fields or there.fields[self.by].kind is not Kind.TIMESTAMP:
            yield f"{self.unit} of {self.by} is no stretch of time"
        yield from _unmeasurable(self.function, self.read(there) if self.field else None)
        if _message_of(field) != "ashgrove.resource.v1.TimeBucket" or not field.descriptor.is_repeated:
            yield "must be a list of ashgrove.resource.v1.TimeBucket"


def _measure(function: str, source: Source | None) -> ColumnElement[Any]:
    return FUNCTIONS[function].build(source.field.kind, source.value) if source else everything()


def _unmeasurable(function: str, source: Source | None) -> Iterator[str]:
    if source and source.field.kind not in FUNCTIONS[function].takes:
        yield f"{function} cannot measure {source.name}, which is of type {source.field.kind.value}"


def _message_of(field: Field) -> str:
    message = field.descriptor.message_type
    return message.full_name if message is not None else ""
