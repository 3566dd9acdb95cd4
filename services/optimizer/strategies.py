"""A run's strategy: made from its row, and held against the space before there is one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun
from ashgrove.optimizer.v1.strategy_pb2 import GridSearchConfiguration

from domain.grid import Levels
from domain.objectives import Objective
from domain.space import Space
from domain.strategies import Strategy, refusal, strategy
from domain.strategies.grid_search import LEVELS
from domain.strategies.registered import registered
from domain.values import Invalid
from framework.errors import FieldViolation

_CONFIGURATION = "optimization_run.strategy_configuration"


def strategy_of(row: Mapping[str, Any]) -> Strategy:
    """Returns the strategy of a run's row."""
    name = _name(row["strategy"])
    return strategy(name, (row["strategy_configuration"] or {}).get(name, {}))


def strategy_faults(run: OptimizationRun, space: Space, objectives: Sequence[Objective]) -> Iterator[FieldViolation]:
    """Yields why a run's strategy cannot be what it asks for: a configuration of another one, a space that is unfit."""
    name = _name(OptimizationRun.Strategy.Name(run.strategy))
    given = run.strategy_configuration.WhichOneof("strategy")
    if given not in (None, name):
        yield FieldViolation(f"{_CONFIGURATION}.{given}", f"configures another strategy; this run's is {name}")
    elif name == "registered":
        yield from _registered_faults(run.strategy_configuration.registered.name)
    elif name == "grid_search":
        yield from _grid_faults(run.strategy_configuration.grid_search, space)
    if why := refusal(name, space, objectives):
        yield FieldViolation("optimization_run.strategy", f"{name} {why}")


def _grid_faults(wanted: GridSearchConfiguration, space: Space) -> Iterator[FieldViolation]:
    try:
        Levels(space, wanted.levels or LEVELS, wanted.levels_of)
    except Invalid as invalid:
        for each in invalid.violations:
            yield FieldViolation(f"{_CONFIGURATION}.grid_search.{each.path}", each.message)


def _registered_faults(name: str) -> Iterator[FieldViolation]:
    if name not in (known := registered()):
        there = ", ".join(sorted(known)) or "none: the operator installs them"
        yield FieldViolation(
            f"{_CONFIGURATION}.registered.name", f"must be a strategy that is installed; there are {there}"
        )


def _name(strategy_name: str) -> str:
    return strategy_name.removeprefix("STRATEGY_").lower()
