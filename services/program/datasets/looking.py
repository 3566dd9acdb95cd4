"""How often a test split was looked at: by anybody, since a look spends it for everybody."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, cast, column, func, select, table

_EVALUATIONS = table("evaluations", *map(column, ("id", "run_id", "dataset_id", "dataset_revision", "split")))


def looks(dataset_id: ColumnElement[Any], revision: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    """Returns the number of looks, at one revision or at all, as an expression; a run's evaluations are one look."""
    rows = _EVALUATIONS.alias("looks")
    # One look is a run's, or an evaluation's that is of no run.
    counted = func.count(func.coalesce(cast(rows.c.run_id, Text()), cast(rows.c.id, Text())).distinct())
    wanted = select(cast(counted, BigInteger())).where(rows.c.dataset_id == dataset_id, rows.c.split == "SPLIT_TEST")
    if revision is not None:
        wanted = wanted.where(rows.c.dataset_revision == revision)
    return wanted.scalar_subquery()
