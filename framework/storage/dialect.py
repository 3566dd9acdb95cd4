"""SQLAlchemy's dialect for psycopg, by which every parameter says of what type it is.

By itself it casts no number with a point, truth or length of time: psycopg's cursors name their types, and statements
go past those.
"""

from typing import Any

from sqlalchemy import Boolean, Double, Float, Interval, Numeric
from sqlalchemy.dialects import postgresql


class _Float(Float[float]):
    render_bind_cast = True


class _Double(Double[float]):
    render_bind_cast = True


class _Numeric(Numeric[Any]):
    render_bind_cast = True


class _Boolean(Boolean):
    render_bind_cast = True


class _Interval(postgresql.INTERVAL):
    render_bind_cast = True

    @classmethod
    def adapt_emulated_to_native(cls, interval: Any, **_: Any) -> "_Interval":  # type: ignore[override]
        """Stays what it is: SQLAlchemy's own becomes one without a cast."""
        return cls(precision=interval.second_precision)


_CAST = {Float: _Float, Double: _Double, Numeric: _Numeric, Boolean: _Boolean, Interval: _Interval}
DIALECT = postgresql.psycopg.dialect()  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
DIALECT.colspecs = {**DIALECT.colspecs, **_CAST}
