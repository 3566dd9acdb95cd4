"""Functions as actions: what a registry is told of is done, and what cannot be meant is refused before it serves."""

from collections.abc import AsyncIterator, Callable, Sequence
from types import ModuleType
from typing import Any

import pytest

from framework.resource import Registry, action
from services.optimizer import comparing, external, pausing, story
from services.optimizer.registry import ACTIONS, registry
from services.optimizer.resources import RESOURCES, OptimizationRun
from services.variables.resources import VariableSpace


def told(*actions: ModuleType) -> Registry:
    """Returns the optimizer's registry as if it had been told of these modules."""
    return Registry("optimizer", RESOURCES, *registry().served, actions=actions)


def complaints(*actions: ModuleType) -> Sequence[str]:
    """Returns what the optimizer's registry says of these modules."""
    with pytest.raises(TypeError) as refused:
        told(*actions)
    return [line.strip() for line in str(refused.value).splitlines()[1:]]


def module(*functions: Callable[..., Any]) -> ModuleType:
    """Returns a module in which these functions are written."""
    made = ModuleType("acting")
    for function in functions:
        function.__module__, function.__qualname__ = made.__name__, function.__name__
        setattr(made, function.__name__, function)
    return made


@action(OptimizationRun, "PauseOptimizationRun")
async def halt(call: Any, request: Any) -> Any:
    """Does what another function does already."""


@action(OptimizationRun, "PausOptimizationRun")
async def misspelt(call: Any, request: Any) -> Any:
    """Does what is no RPC."""


@action(VariableSpace, "PauseOptimizationRun")
async def strange(call: Any, request: Any) -> Any:
    """Does it to a resource of another service."""


@action(OptimizationRun, "WatchOptimizationRun")
async def glance(call: Any, request: Any) -> Any:
    """Answers once what is answered with a stream."""


@action(OptimizationRun, "PauseOptimizationRun")
async def dwell(call: Any, request: Any) -> AsyncIterator[Any]:
    """Answers with a stream what is answered once."""
    yield request


def test_a_function_is_marked_and_stays_what_it_is() -> None:
    """It can be called as any other; the registry has it as what does the RPC."""
    assert registry().method("PauseOptimizationRun").handler is pausing.pause
    assert halt.__name__ == "halt"


def test_an_rpc_that_nothing_does_is_refused() -> None:
    """With the remedy."""
    remedy = "nothing does it; write an @action, and name its module among the actions"
    others = [each for each in ACTIONS if each is not comparing]
    assert complaints(*others) == [f"OptimizerService.CompareOptimizationRuns: {remedy}"]


def test_an_rpc_that_two_functions_do_is_refused() -> None:
    """Both are named."""
    assert complaints(*ACTIONS, module(halt)) == [
        "acting.halt: does PauseOptimizationRun, as services.optimizer.pausing.pause does"
    ]


def test_a_module_named_twice_does_what_it_does_once() -> None:
    """Also one whose package is named."""
    assert told(*ACTIONS, pausing, external.asking).methods.keys() == registry().methods.keys()


def test_an_rpc_that_there_is_not_is_refused() -> None:
    """With the one that may have been meant."""
    assert complaints(*ACTIONS, module(misspelt)) == [
        "acting.misspelt: there is no RPC PausOptimizationRun; do you mean PauseOptimizationRun?"
    ]


def test_a_resource_of_another_service_is_refused() -> None:
    """What acts on it belongs there."""
    found = complaints(*ACTIONS, module(strange))
    assert "acting.strange: acts on VariableSpace, which is no resource of this service" in found


def test_a_module_without_actions_is_refused() -> None:
    """What it has imported is another's."""
    borrowing = ModuleType("borrowing")
    borrowing.pause = pausing.pause  # type: ignore[attr-defined]
    remedy = "has no @action; mark what it does, or do not name it among the actions"
    assert complaints(*ACTIONS, story, borrowing) == [f"services.optimizer.story: {remedy}", f"borrowing: {remedy}"]


def test_a_function_answers_as_its_rpc_does() -> None:
    """Once, or with a stream: the other way is refused."""
    assert "acting.glance: WatchOptimizationRun answers with a stream, so it must be an async generator" in complaints(
        *ACTIONS, module(glance)
    )
    assert "acting.dwell: PauseOptimizationRun answers once, so it must be an async function" in complaints(
        *ACTIONS, module(dwell)
    )
