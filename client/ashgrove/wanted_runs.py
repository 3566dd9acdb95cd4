"""Optimization runs as they are asked for: words, names and mappings in the messages that stand for them."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from ashgrove.objectives import Objective
from ashgrove.optimizer.v1 import optimization_run_pb2
from ashgrove.optimizer.v1.repeats_pb2 import RepeatsConfiguration
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from ashgrove.optimizer.v1.strategy_pb2 import StrategyConfiguration
from ashgrove.values import numbered

_Run = optimization_run_pb2.OptimizationRun
M = TypeVar("M", bound=Message)


def managed(
    program_id: str,
    space_id: str,
    dataset_id: str,
    *,
    strategy: str,
    strategy_options: Mapping[str, Any] | None,
    objectives: Sequence[str | Objective],
    **more: Any,
) -> optimization_run_pb2.OptimizationRun:
    """Returns a run that the platform evaluates, as it is asked for."""
    return _Run(
        program_id=program_id,
        variable_space_id=space_id,
        dataset_id=dataset_id,
        strategy=numbered(_Run.Strategy, strategy),
        strategy_configuration=configuration_of(strategy, strategy_options or {}),
        objectives=objectives_of(objectives),
        **more,
    )


def objectives_of(wanted: Sequence[str | Objective]) -> list[optimization_run_pb2.Objective]:
    """Returns the messages of objectives, some of which may be plain names."""
    return [(Objective(each) if isinstance(each, str) else each).message() for each in wanted]


def limits_of(wanted: Mapping[str, float] | None) -> RunLimits:
    """Returns the limits of a run, none where none are named; raises ValueError for one that there is not."""
    return _filled(RunLimits, "limits", wanted or {})


def repeats_of(wanted: Mapping[str, int] | None) -> RepeatsConfiguration | None:
    """Returns what a noisy run evaluates afresh, None where it is not wanted; raises ValueError as `limits_of` does."""
    return None if wanted is None else _filled(RepeatsConfiguration, "repeats", wanted)


def configuration_of(strategy: str, options: Mapping[str, Any]) -> StrategyConfiguration | None:
    """Returns a strategy's configuration of its fields; raises ValueError for one that it does not have."""
    try:
        return ParseDict({strategy: dict(options)}, StrategyConfiguration()) if options else None
    except ParseError as wrong:
        raise ValueError(f"the options of {strategy}: {wrong}") from wrong


def _filled(kind: type[M], name: str, wanted: Mapping[str, Any]) -> M:
    """Returns a message of its fields; raises ValueError naming those that it has."""
    try:
        return kind(**wanted)
    except (TypeError, ValueError) as wrong:
        known = ", ".join(each.name for each in kind.DESCRIPTOR.fields)
        raise ValueError(f"{name} may have {known}, each a number, not {dict(wanted)!r}") from wrong
