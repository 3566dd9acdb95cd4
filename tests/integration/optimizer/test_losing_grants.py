"""What a run may do for its user ends with the user's right to it: among the real peers, a test for each loss."""

from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import RevokeApiKeyRequest
from ashgrove.auth.v1.user_requests_pb2 import EndMembershipRequest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import ListEvaluationsRequest
from ashgrove.program.v1.program_requests_pb2 import (
    ArchiveProgramRequest,
    UnarchiveProgramRequest,
    UpdateProgramRequest,
)
from ashgrove.variables.v1.variable_space_requests_pb2 import ArchiveVariableSpaceRequest

from framework.call import Actor, Role
from framework.testing.waiting import until
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import act, has, trials

Status = run_pb.OptimizationRun
VIEWER, USER, ADMIN = user_pb2.User.ROLE_VIEWER, user_pb2.User.ROLE_USER, user_pb2.User.ROLE_ADMIN


async def asking(around: Neighbourhood) -> None:
    """Returns when the model was asked for the first time: the trial's evaluation is under way."""

    async def asked() -> bool:
        return bool(around.model.asked)

    await until(asked)


async def attended(around: Neighbourhood, actor: Actor, run: Any) -> bool:
    """Tells whether the first trial's evaluation has begun."""
    found = await trials(around, actor, run)
    request = ListEvaluationsRequest(filter=f'run_id = "{run.id}" AND finished_count > 0')
    return bool(found and (await around.do(actor, "ListEvaluations", request, "program")).evaluations)


async def lose(around: Neighbourhood, actor: Actor, how: str) -> None:
    """Takes a user's right away, and lets the feed tell of it."""
    house, user = around.house, user_pb2.User(id=actor.id)
    if how == "ended":
        await house.call(house.admin, "EndMembership", EndMembershipRequest(id=actor.id))
    else:
        await house.change(user, **{"deactivated": {"deactivated": True}, "viewer": {"role": VIEWER}}[how])
    await around.hear()


@pytest.mark.parametrize(
    ("how", "why"), [("deactivated", "user inactive"), ("viewer", "role lowered"), ("ended", "membership ended")]
)
async def test_a_run_pauses_when_its_user_is_no_more_what_it_takes(around: Neighbourhood, how: str, why: str) -> None:
    """In the middle of an evaluation that says nothing; why is told, and what is finished is kept."""
    user = await around.person()
    around.model.held = lambda text: "text 2" in text
    async with around.working():
        run = await around.start(user, await around.wanted(user, max_trials=1))
        await asking(around)
        await lose(around, user, how)
        await has(around, around.house.admin, run, Status.STATUS_PAUSED)
    assert why in (await act(around, around.house.admin, "Get", run)).error


async def test_a_run_pauses_when_the_program_is_made_private(around: Neighbourhood) -> None:
    """Of somebody who may still act, and read the program no more: an administrator who is one no longer."""
    owner, boss = await around.person(), await around.person(role=ADMIN)
    program = await around.program(owner, visibility=program_pb2.Program.VISIBILITY_PUBLIC)
    around.model.held = lambda text: True
    async with around.working():
        run = await around.start(boss, await around.wanted(boss, max_trials=1, program_id=program.id))
        await asking(around)
        await around.house.change(user_pb2.User(id=boss.id), role=USER)
        await around.hear()
        hidden = program_pb2.Program(id=program.id, visibility=program_pb2.Program.VISIBILITY_PRIVATE)
        request = UpdateProgramRequest(program=hidden, update_mask={"paths": ["visibility"]})  # type: ignore[arg-type]
        await around.do(owner, "UpdateProgram", request, "program")
        await has(around, around.house.admin, run, Status.STATUS_PAUSED)
    assert "access was lost" in (await act(around, around.house.admin, "Get", run)).error


async def test_a_run_pauses_when_its_program_is_archived_and_goes_on_when_it_is_back(around: Neighbourhood) -> None:
    """What is under way comes to its end; no trial fails for it, and why is told with what may be done."""
    user = await around.person()
    around.model.held = lambda text: "text 2" in text
    async with around.working():
        run = await around.start(user, await around.wanted(user, max_trials=2))
        await until(lambda: attended(around, user, run))
        await around.do(user, "ArchiveProgram", ArchiveProgramRequest(id=run.program_id), "program")
        around.model.let_go.set()
        await has(around, user, run, Status.STATUS_PAUSED)
        paused = await act(around, user, "Get", run)
        assert "ARCHIVED" in paused.error and "unarchive it and resume" in paused.error
        assert (paused.completed_trials, paused.failed_trials) == (1, 0)
        await around.do(user, "UnarchiveProgram", UnarchiveProgramRequest(id=run.program_id), "program")
        await act(around, user, "Resume", run)
        await has(around, user, run, Status.STATUS_COMPLETED)
    assert (await act(around, user, "Get", run)).completed_trials == 2


async def test_a_run_goes_on_with_the_space_that_it_pins_when_that_is_archived(around: Neighbourhood) -> None:
    """Also under another worker, which reads it again."""
    user = await around.person()
    around.model.held = lambda text: "text 2" in text
    async with around.working():
        run = await around.start(user, await around.wanted(user, max_trials=2))
        await until(lambda: attended(around, user, run))
        archive = ArchiveVariableSpaceRequest(id=run.variable_space_id)
        await around.do(user, "ArchiveVariableSpace", archive, "variables")
    around.model.let_go.set()
    async with around.working():
        await has(around, user, run, Status.STATUS_COMPLETED)
    assert (await act(around, user, "Get", run)).completed_trials == 2


async def test_a_lower_role_that_still_writes_leaves_a_run_alone(around: Neighbourhood) -> None:
    """An administrator who becomes a user goes on with what users may do."""
    boss = await around.person(role=ADMIN)
    around.model.held = lambda text: True
    async with around.working():
        run = await around.start(boss, await around.wanted(boss, max_trials=1))
        await asking(around)
        await around.house.change(user_pb2.User(id=boss.id), role=USER)
        await around.hear()
        around.model.let_go.set()
        await has(around, around.house.admin, run, Status.STATUS_COMPLETED)


async def test_revoking_the_key_that_started_a_run_stops_nothing(around: Neighbourhood) -> None:
    """A run hangs on its user; whoever changes keys in mid-run need not fear for it."""
    user = await around.person()
    key = (await around.house.key(user)).api_key
    by_key = Actor(user.kind, user.id, user.organization_id, Role.USER, credential_id=key.id)
    around.model.held = lambda text: True
    async with around.working():
        run = await around.start(by_key, await around.wanted(by_key, max_trials=1))
        await asking(around)
        await around.house.call(around.house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=key.id))
        await around.hear()
        around.model.let_go.set()
        await has(around, user, run, Status.STATUS_COMPLETED)


async def test_while_auth_is_down_the_next_evaluation_waits(around: Neighbourhood) -> None:
    """Nothing fails, nothing pauses; when auth is back the run goes on by itself."""
    user = await around.person()
    run = await around.start(user, await around.wanted(user, max_trials=1))
    await around.auth.down()
    waits: list[Any] = []
    async with around.working():

        async def waiting() -> bool:
            waits.append(await act(around, user, "Get", run))
            return bool(waits[-1].status == Status.STATUS_RUNNING)

        await until(waiting)
        assert not around.model.asked
        await around.auth.up()
        await has(around, user, run, Status.STATUS_COMPLETED)
    done = await act(around, user, "Get", run)
    assert (done.completed_trials, done.failed_trials, done.error) == (1, 0, "")
