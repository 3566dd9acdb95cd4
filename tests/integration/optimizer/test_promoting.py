"""What a run found becomes a revision of its program: kept, undone by one call, and of two at once one wins."""

import asyncio
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import PromoteOptimizationRunRequest
from ashgrove.program.v1.program_requests_pb2 import ArchiveProgramRequest, GetProgramRequest
from ashgrove.variables.v1.configuration_use_requests_pb2 import UndoConfigurationRequest

from framework.errors import Failure, IllegalState, InvalidFields, NotFound, StaleEtag
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import has, trials


async def test_of_two_promotions_at_once_one_wins_and_can_be_undone(around: Neighbourhood) -> None:
    """The values are kept with where they come from; whoever may not change the program changes nothing."""
    around.let_variables_ask()
    owner, stranger = await around.person(), await around.person()
    async with around.working():
        wanted = await around.wanted(owner, max_trials=2)
        run = await around.start(owner, wanted)
        await has(around, owner, run, run_pb.OptimizationRun.STATUS_COMPLETED)
    first, second = await trials(around, owner, run)

    async def promote(trial_id: str, **fields: Any) -> Any:
        request = PromoteOptimizationRunRequest(id=run.id, trial_id=trial_id, **fields)
        try:
            return await around.do(owner, "PromoteOptimizationRun", request)
        except Failure as failure:
            return failure

    tried = await promote(first.id, validate_only=True)
    assert getattr(tried, "program_revision", None) == 1, tried
    both = await asyncio.gather(promote(first.id), promote(second.id))
    (lost,) = [each for each in both if isinstance(each, Failure)]
    (won,) = [each for each in both if not isinstance(each, Failure)]
    assert isinstance(lost, StaleEtag), lost
    assert (won.previous_program_revision, won.program_revision) == (1, 2)
    values = {each.id: each.configuration["temperature"] for each in (first, second)}
    program = await around.do(owner, "GetProgram", GetProgramRequest(id=run.program_id), "program")
    assert program.program_config.temperature == values[won.trial_id]
    assert isinstance(await promote(first.id, validate_only=True), StaleEtag)
    again = await promote(won.trial_id, expected_program_revision=2)
    assert again.variable_configuration_id == won.variable_configuration_id
    assert again.program_revision == 2
    undo = UndoConfigurationRequest(
        variable_configuration_id=won.variable_configuration_id,
        program_id=run.program_id,
        previous_program_revision=1,
        program_revision=2,
    )
    assert (await around.do(owner, "UndoConfiguration", undo, "variables")).program_revision == 3
    await around.do(owner, "ArchiveProgram", ArchiveProgramRequest(id=run.program_id), "program")
    refused = await promote(first.id, expected_program_revision=3, validate_only=True)
    assert isinstance(refused, IllegalState), refused
    with pytest.raises(NotFound):
        await around.do(stranger, "PromoteOptimizationRun", PromoteOptimizationRunRequest(id=run.id))


async def test_a_trial_of_another_run_is_none_of_this_one(around: Neighbourhood) -> None:
    """It is refused by name."""
    owner = await around.person()
    async with around.working():
        wanted = await around.wanted(owner, max_trials=1)
        one, other = await around.start(owner, wanted), await around.start(owner, wanted)
        for run in (one, other):
            await has(around, owner, run, run_pb.OptimizationRun.STATUS_COMPLETED)
    (trial,) = await trials(around, owner, other)
    with pytest.raises(InvalidFields, match="trial_id"):
        request = PromoteOptimizationRunRequest(id=one.id, trial_id=trial.id)
        await around.do(owner, "PromoteOptimizationRun", request)
