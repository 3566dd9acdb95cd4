"""Runs over spaces of prompts: values are drawn from the pool as it was, and programs get their texts."""

from collections.abc import Mapping
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest
from ashgrove.variables.v1 import prompt_value_pb2
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from ashgrove.variables.v1.prompt_value_requests_pb2 import AddPromptValueRequest
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from google.protobuf.json_format import ParseDict

from framework.call import Actor
from framework.identifiers import new_id
from framework.testing.waiting import until
from tests.integration.optimizer.neighbourhood import Neighbourhood

Strategy = run_pb.OptimizationRun
HEAT = {"name": "temperature", "float": {"low": 0, "high": 1}}
PROMPT = {"name": "prompt", "instruction": {"slot": "main", "placeholders": ["text"]}}
CRITIC = {"name": "critic", "instruction": {"slot": "critic"}}


async def space_of(near: Neighbourhood, actor: Actor, *variables: Any) -> space_pb.VariableSpace:
    """Creates a space."""
    made = ParseDict({"name": f"space {new_id()}", "variables": list(variables)}, space_pb.VariableSpace())
    request = CreateVariableSpaceRequest(variable_space=made)
    return await near.do(actor, "CreateVariableSpace", request, "variables")  # type: ignore[no-any-return]


async def add(near: Neighbourhood, actor: Actor, space: space_pb.VariableSpace, text: str) -> str:
    """Adds an instruction to a pool and returns its reference."""
    value = prompt_value_pb2.PromptValue(variable_space_id=space.id, kind=prompt_value_pb2.PromptValue.KIND_INSTRUCTION)
    value.content.update({"text": text})
    added = await near.do(actor, "AddPromptValue", AddPromptValueRequest(prompt_value=value), "variables")
    return str(added.reference)


def watch_configurations(near: Neighbourhood) -> list[Mapping[str, Any]]:
    """Returns a list that fills with what programs are configured with."""
    configured: list[Mapping[str, Any]] = []
    prepare = near.model.prepare

    async def watched(program: Any, configuration: Mapping[str, Any], train: Any) -> Any:
        configured.append(dict(configuration))
        return await prepare(program, configuration, train)

    near.model.prepare = watched  # type: ignore[method-assign]
    return configured


async def ended(near: Neighbourhood, actor: Actor, run: run_pb.OptimizationRun) -> bool:
    """Says whether a run has come to its end."""
    found = await near.do(actor, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    return bool(found.status == Strategy.STATUS_COMPLETED)


@pytest.mark.parametrize("strategy", [Strategy.STRATEGY_RANDOM, Strategy.STRATEGY_BAYESIAN])
async def test_trials_refer_to_the_pool_and_programs_get_the_texts(around: Neighbourhood, strategy: Any) -> None:
    """What breaks the rule, or came after the run was made, is never tried; `unchanged` says nothing."""
    near = around
    actor = await near.person()
    space = await space_of(near, actor, HEAT, PROMPT, CRITIC)
    texts = {await add(near, actor, space, text): text for text in ("Name {text}.", "Which is {text}?")}
    await add(near, actor, space, "No placeholder.")
    configured = watch_configurations(near)
    wanted = await near.wanted(actor, variable_space_id=space.id, strategy=strategy, max_trials=14, parallelism=2)
    run = await near.start(actor, wanted)
    await add(near, actor, space, "Too late {text}.")
    async with near.working():
        await until(lambda: ended(near, actor, run))
    request = ListTrialsRequest(optimization_run_id=run.id, page_size=100)
    trials = (await near.do(actor, "ListTrials", request)).trials
    assert {each.configuration["prompt"] for each in trials} == {"unchanged", *texts}
    assert all(set(dict(each.configuration)) == {"temperature", "prompt"} for each in trials)
    said = [each.get("instructions") for each in configured]
    assert set(said) == {None, *texts.values()}
    assert all(set(each) <= {"temperature", "instructions"} for each in configured)


async def test_demonstrations_of_a_pool_are_shown_to_the_program(around: Neighbourhood) -> None:
    """Those of the set that the trial chose, and no others."""
    near = around
    actor = await near.person()
    dataset = str(new_id())
    shown = {"name": "shown", "demo_set": {"slot": "main", "dataset_id": dataset, "dataset_revision": 1}}
    space = await space_of(near, actor, HEAT, shown)
    value = prompt_value_pb2.PromptValue(variable_space_id=space.id, kind=prompt_value_pb2.PromptValue.KIND_DEMO_SET)
    example = {"inputs": {"text": "hej"}, "outputs": {"language": "sv"}}
    content = {"dataset_id": dataset, "dataset_revision": 1, "split": "train", "demonstrations": [example]}
    value.content.update(content)
    await near.do(actor, "AddPromptValue", AddPromptValueRequest(prompt_value=value), "variables")
    configured = watch_configurations(near)
    run = await near.start(actor, await near.wanted(actor, variable_space_id=space.id, max_trials=8))
    async with near.working():
        await until(lambda: ended(near, actor, run))
    assert [each for each in configured if "demonstrations" in each]
    assert all(each.get("demonstrations", [example]) == [example] for each in configured)


async def test_slots_that_the_program_lacks_are_no_hindrance(around: Neighbourhood) -> None:
    """They are inactive; for prompts that custom code could not take see the unit tests."""
    near = around
    actor = await near.person()
    space = await space_of(near, actor, HEAT, CRITIC)
    assert (await near.start(actor, await near.wanted(actor, variable_space_id=space.id))).id
