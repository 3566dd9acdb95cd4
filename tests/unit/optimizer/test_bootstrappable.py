"""Which runs can show what they have bootstrapped: others are refused at the field that stands in the way."""

from collections.abc import Callable

import pytest
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective, OptimizationRun
from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.metric_pb2 import Metric
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace

from framework.errors import IllegalState, InvalidFields
from services.optimizer.bootstrappable import complete_bootstrapping

METRICS = [Metric(name="exact_match", low=0, high=1), Metric(name="loss", low=0), Metric(name="profit")]


class Asked:
    """A run that could start, and what it is about."""

    def __init__(self, metric: str = "exact_match") -> None:
        way = Objective.DIRECTION_MINIMIZE if metric == "loss" else Objective.DIRECTION_MAXIMIZE
        self.run = OptimizationRun(dataset_id="d", objectives=[Objective(metric=metric, direction=way)])
        self.program = Program(type=Program.TYPE_CHAIN_OF_THOUGHT)
        self.space = VariableSpace()
        shown = self.space.variables.add(name="shown").demo_set
        shown.slot, shown.dataset_id, shown.dataset_revision = "main", "d", 1
        self.dataset = Dataset(id="d", train_count=4)

    def complete(self) -> OptimizationRun:
        """Returns the run as it would be kept."""
        complete_bootstrapping(self.run, METRICS, self.program, self.space, self.dataset)
        return self.run


def test_the_best_that_the_metric_declares_is_accepted() -> None:
    """Unless another score is named."""
    for metric, best in (("exact_match", 1.0), ("loss", 0.0)):
        assert Asked(metric).complete().strategy_configuration.bootstrap_random_search.accept == best
    asked = Asked("profit")
    asked.run.strategy_configuration.bootstrap_random_search.accept = 0.5
    assert asked.complete().strategy_configuration.bootstrap_random_search.accept == 0.5


def test_a_configuration_of_another_strategy_is_left_to_be_refused() -> None:
    """It must not be written over."""
    asked = Asked()
    asked.run.strategy_configuration.cma_es.population = 4
    assert asked.complete().strategy_configuration.WhichOneof("strategy") == "cma_es"


def _elsewhere(asked: Asked) -> None:
    asked.space.variables[0].demo_set.dataset_id = "another"


def _frozen(asked: Asked) -> None:
    asked.space.variables[0].demo_set.mutable = False


def _inactive(asked: Asked) -> None:
    asked.space.variables.add(name="examples").boolean.SetInParent()
    asked.space.variables[1].default.bool_value = False
    asked.space.variables[0].when = "examples"


def _custom(asked: Asked) -> None:
    asked.program.type = Program.TYPE_CUSTOM


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (_elsewhere, "variable_space_id"),
        (_frozen, "variable_space_id"),
        (_inactive, "variable_space_id"),
        (_custom, "program_id"),
    ],
    ids=["another dataset's", "frozen", "inactive", "custom code"],
)
def test_what_has_no_place_for_demonstrations_is_refused(change: Callable[[Asked], None], path: str) -> None:
    """A space without such of the run's dataset, a program that shows none, a metric whose best nobody knows."""
    asked = Asked("profit")
    change(asked)
    with pytest.raises(InvalidFields) as refused:
        asked.complete()
    accept = "optimization_run.strategy_configuration.bootstrap_random_search.accept"
    assert [each.path for each in refused.value.violations] == [f"optimization_run.{path}", accept]


def test_without_training_examples_there_is_nothing_to_gather() -> None:
    """It is said what to do."""
    asked = Asked()
    asked.dataset.train_count = 0
    with pytest.raises(IllegalState, match="no training examples"):
        asked.complete()
