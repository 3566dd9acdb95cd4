"""Rows, grouped and measured in one statement; no word of a user's is a name in it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, literal_column, select

from framework.query.columns import Columns
from framework.query.measures import FUNCTIONS, bucket, ends, everything, histogram
from framework.query.measuring import Group, Measure


class Groups(Columns):
    """The groups that rows make: what they can be ordered and narrowed by are their keys and measures."""

    def __init__(
        self, columns: Columns, where: ColumnElement[bool], groups: Sequence[Group], measures: Sequence[Measure]
    ) -> None:
        picked = _picked(columns, where, groups, measures)
        keys = [picked.c[f"k{i}"] for i in range(len(groups))]
        values = [_value(picked, i, one).label(f"v{i}") for i, one in enumerate(measures)]
        grouped = select(*keys, *values).select_from(picked).group_by(*keys).subquery()
        self.keys = {one.result.name: grouped.c[f"k{i}"] for i, one in enumerate(groups)}
        self.values = {one.result.name: grouped.c[f"v{i}"] for i, one in enumerate(measures)}
        # A histogram is nothing to compare with.
        results = [*(one.result for one in groups), *(one.result for one in measures if one.result.comparable)]
        super().__init__({field.name: field for field in results}, grouped)

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        """Returns a key or a measure."""
        return self.keys[name] if name in self.keys else self.values[name]

    def query(self) -> Select[Any]:
        """Returns the statement of all groups: keys as `k0`, `k1`, …, measures as `v0`, `v1`, …."""
        return select(self.table)


def _picked(
    columns: Columns, where: ColumnElement[bool], groups: Sequence[Group], measures: Sequence[Measure]
) -> Subquery:
    """Returns the rows with what is asked of them under plain names: expressions are computed once a row."""
    asked: list[ColumnElement[Any]] = [_key(one).label(f"k{i}") for i, one in enumerate(groups)]
    for i, one in enumerate(measures):
        if one.source is not None:
            asked += [column.label(f"{mark}{i}") for mark, column in zip("vlh", _asked(one), strict=False)]
    return select(*(asked or [literal_column("1")])).select_from(columns.table).where(where).subquery()


def _key(one: Group) -> ColumnElement[Any]:
    return bucket(one.unit, one.source.value) if one.unit else one.source.value


def _asked(one: Measure) -> list[ColumnElement[Any]]:
    assert one.source is not None
    value = one.source.value
    return ends(one.source.field.kind, value) if one.bins else [value]


def _value(picked: Subquery, i: int, one: Measure) -> ColumnElement[Any]:
    if one.source is None:
        return everything()
    if one.bins:
        return histogram(picked.c[f"v{i}"], picked.c[f"l{i}"], picked.c[f"h{i}"], one.bins)
    return FUNCTIONS[one.function].build(one.source.field.kind, picked.c[f"v{i}"])
