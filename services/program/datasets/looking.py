"""How often a test split was looked at: by anybody, since a look spends it for everybody."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Text, cast, column, func, select, table

_EVALUATIONS = table("evaluations", *map(column, ("id", "run_id", "dataset_id", "dataset_revision", "split")))


def looks(dataset_id: ColumnElement[Any], revision: ColumnElement[Any] | None = None) -> ColumnElement[Any]:
    """Returns the number of looks, at one revision or at all, as an expression.

    A run looks at its baseline and its best at once; each further best, once it was extended, is another look.
    """
    rows = _EVALUATIONS.alias("looks")
    # One look is a run's, or an evaluation's that is of no run.
    whose = func.coalesce(cast(rows.c.run_id, Text()), cast(rows.c.id, Text()))
    wanted = select(func.greatest(func.count() - 1, 1).label("times")).group_by(whose)
    wanted = wanted.where(rows.c.dataset_id == dataset_id, rows.c.split == "SPLIT_TEST")
    if revision is not None:
        wanted = wanted.where(rows.c.dataset_revision == revision)
    times = wanted.correlate_except(rows).subquery()
    return select(cast(func.coalesce(func.sum(times.c.times), 0), BigInteger())).scalar_subquery()
