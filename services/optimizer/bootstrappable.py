"""Whether demonstrations can be bootstrapped for a new run, and from which score on an answer is worth showing."""

from collections.abc import Iterator, Sequence

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.metric_pb2 import Metric
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace

from framework.errors import FieldViolation, IllegalState, InvalidFields
from services.optimizer.bootstrapping import shown_at
from services.optimizer.prompts import SLOT
from services.optimizer.spaces import space_of

_NAME = "bootstrap_random_search"
_ACCEPT = f"optimization_run.strategy_configuration.{_NAME}.accept"
_SPACE = "optimization_run.variable_space_id"
_SHOWN = (Program.TYPE_PREDICT, Program.TYPE_CHAIN_OF_THOUGHT, Program.TYPE_TEMPLATE)


def complete_bootstrapping(
    run: pb.OptimizationRun, metrics: Sequence[Metric], program: Program, space: VariableSpace, dataset: Dataset
) -> None:
    """Says in a run which score is accepted; raises InvalidFields, IllegalState for what could show nothing."""
    if not dataset.train_count:
        raise IllegalState("the dataset has no training examples to bootstrap from; add some first", resource="dataset")
    if faults := list(_faults(run, metrics, program, space)):
        raise InvalidFields(*faults)
    given = run.strategy_configuration
    best = _best(run, metrics)
    # A configuration of another strategy is left to be refused.
    if given.WhichOneof("strategy") in (None, _NAME) and not given.bootstrap_random_search.HasField("accept"):
        assert best is not None, "it was looked at"
        given.bootstrap_random_search.accept = best


def _faults(
    run: pb.OptimizationRun, metrics: Sequence[Metric], program: Program, space: VariableSpace
) -> Iterator[FieldViolation]:
    if program.type not in _SHOWN:
        told = "must be a predict, chain_of_thought or template program: others have no place for demonstrations"
        yield FieldViolation("optimization_run.program_id", told)
    known = space_of(space).within([SLOT])
    shown = [each for each in shown_at(known) if each.dataset_id == run.dataset_id]
    if not shown:
        told = f"needs a demo_set variable of the slot {SLOT} that may change, over the run's dataset, {run.dataset_id}"
        yield FieldViolation(_SPACE, told)
    elif not any(each.name in (known.defaults() or {each.name: ""}) for each in shown):
        yield FieldViolation(
            _SPACE, f"shows nothing: {shown[0].name} is inactive where all others are at their defaults"
        )
    given = run.strategy_configuration
    if not given.bootstrap_random_search.HasField("accept") and _best(run, metrics) is None:
        told = f"must be said: {run.objectives[0].metric} declares no best value"
        yield FieldViolation(_ACCEPT, told)


def _best(run: pb.OptimizationRun, metrics: Sequence[Metric]) -> float | None:
    """Returns the best value that the first objective's metric may have, None where that is infinite."""
    objective = run.objectives[0]
    metric = next(each for each in metrics if each.name == objective.metric)
    if objective.direction == pb.Objective.DIRECTION_MAXIMIZE:
        return metric.high if metric.HasField("high") else None
    return metric.low if metric.HasField("low") else None
