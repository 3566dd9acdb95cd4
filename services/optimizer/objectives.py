"""A run's objectives: as its row stores them, and as strategies, fronts and comparisons take them."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.objectives import Objective


def objectives_of(run: Mapping[str, Any]) -> list[Objective]:
    """Returns the objectives of a run's row."""
    return [_objective(stored) for stored in run["objectives"]]


def aggregations_of(run: Mapping[str, Any]) -> dict[str, str]:
    """Returns how the values of the examples become one value, by metric."""
    return {stored["metric"]: stored.get("aggregation", "") for stored in run["objectives"]}


def _objective(stored: Mapping[str, Any]) -> Objective:
    minimize = stored.get("direction") == "DIRECTION_MINIMIZE"
    return Objective(
        stored["metric"],
        "minimize" if minimize else "maximize",
        threshold=stored.get("threshold"),
        reference=stored.get("reference"),
        best=stored.get("low" if minimize else "high"),
        only_bounds=stored.get("only_bounds", False),
    )


def names_of(run: Mapping[str, Any]) -> Sequence[str]:
    """Returns the metrics, in the order of the objectives."""
    return [stored["metric"] for stored in run["objectives"]]
