"""Whoever reads a program reads what was done with it, in every service, and nobody else does: the seed's policies."""

from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1 import trial_requests_pb2 as trial_rpc
from ashgrove.program.v1 import evaluation_requests_pb2 as evaluation_rpc
from ashgrove.program.v1 import execution_requests_pb2 as execution_rpc
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1 import program_requests_pb2 as program_rpc
from ashgrove.variables.v1 import variable_configuration_pb2, variable_space_pb2
from ashgrove.variables.v1 import variable_configuration_requests_pb2 as configuration_rpc
from ashgrove.variables.v1 import variable_space_requests_pb2 as space_rpc
from google.protobuf.json_format import ParseDict

from framework.call import Actor, Role
from framework.errors import NotFound, NotPermitted
from services.optimizer.access import project
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import has, trials
from tests.integration.optimizer.test_runs import program_event

Visibility = program_pb2.Program
VIEWER = user_pb2.User.ROLE_VIEWER


class Work:
    """A program with everything that can be done with it."""

    def __init__(self, around: Neighbourhood, owner: Actor) -> None:
        self.around, self.owner = around, owner
        self.shown = 0

    async def do(self) -> None:
        """Has a run of one trial, one execution, and a space with a configuration."""
        around, owner = self.around, self.owner
        async with around.working():
            wanted = await around.wanted(owner, max_trials=1)
            self.program, self.space = wanted.program_id, wanted.variable_space_id
            self.run = await around.start(owner, wanted)
            await has(around, owner, self.run, run_pb.OptimizationRun.STATUS_COMPLETED)
        (self.trial,) = await trials(around, owner, self.run)
        kept = variable_configuration_pb2.VariableConfiguration(name="kept", variable_space_id=self.space)
        kept.values.update({"temperature": 0.5})
        request = configuration_rpc.CreateVariableConfigurationRequest(variable_configuration=kept)
        self.configuration = await around.do(owner, "CreateVariableConfiguration", request, "variables")

    async def show(self, visibility: "Visibility.Visibility.ValueType") -> None:
        """Makes program and space visible so, and has the program's feed tell the optimizer."""
        self.shown += 1
        name = Visibility.Visibility.Name(visibility)
        program = program_pb2.Program(id=self.program, visibility=visibility)
        space = variable_space_pb2.VariableSpace(id=self.space)
        ParseDict({"visibility": name}, space)
        await self.around.do(self.owner, "UpdateProgram", program_rpc.UpdateProgramRequest(program=program), "program")
        request = space_rpc.UpdateVariableSpaceRequest(variable_space=space)
        await self.around.do(self.owner, "UpdateVariableSpace", request, "variables")
        row = {"organization_id": self.around.house.organization_id, "program_id": self.program}
        assert self.owner.user_id is not None
        async with self.around.optimizer.database.system() as tx:
            await project(tx, program_event(row, self.shown, self.owner.user_id, name))

    def reads(self) -> list[tuple[str, Any, str]]:
        """Returns every way to read one of them."""
        return [
            ("GetProgram", program_rpc.GetProgramRequest(id=self.program), "program"),
            ("GetEvaluation", evaluation_rpc.GetEvaluationRequest(id=self.trial.evaluation_id), "program"),
            ("GetOptimizationRun", run_rpc.GetOptimizationRunRequest(id=self.run.id), "optimizer"),
            ("GetTrial", trial_rpc.GetTrialRequest(id=self.trial.id), "optimizer"),
            ("GetVariableSpace", space_rpc.GetVariableSpaceRequest(id=self.space), "variables"),
            (
                "GetVariableConfiguration",
                configuration_rpc.GetVariableConfigurationRequest(id=self.configuration.id),
                "variables",
            ),
        ]

    def lists(self) -> list[tuple[str, Any, str]]:
        """Returns every way to find them in a list."""
        return [
            ("ListPrograms", program_rpc.ListProgramsRequest(), "program"),
            ("ListEvaluations", evaluation_rpc.ListEvaluationsRequest(program_id=self.program), "program"),
            ("ListOptimizationRuns", run_rpc.ListOptimizationRunsRequest(), "optimizer"),
            ("ListTrials", trial_rpc.ListTrialsRequest(optimization_run_id=self.run.id), "optimizer"),
            ("ListVariableConfigurations", configuration_rpc.ListVariableConfigurationsRequest(), "variables"),
        ]

    def writes(self) -> list[tuple[str, Any, str]]:
        """Returns ways to change them."""
        program = program_pb2.Program(id=self.program, description="mine now")
        return [
            ("UpdateProgram", program_rpc.UpdateProgramRequest(program=program), "program"),
            ("ArchiveProgram", program_rpc.ArchiveProgramRequest(id=self.program), "program"),
            ("CancelEvaluation", evaluation_rpc.CancelEvaluationRequest(id=self.trial.evaluation_id), "program"),
            ("CancelOptimizationRun", run_rpc.CancelOptimizationRunRequest(id=self.run.id), "optimizer"),
            ("ResumeOptimizationRun", run_rpc.ResumeOptimizationRunRequest(id=self.run.id), "optimizer"),
            (
                "ArchiveVariableConfiguration",
                configuration_rpc.ArchiveVariableConfigurationRequest(id=self.configuration.id),
                "variables",
            ),
        ]


async def sees(work: Work, actor: Actor) -> set[bool]:
    """Returns what an actor meets: True where one is read, False where it is not there."""
    met = set()
    for rpc, request, service in work.reads():
        try:
            await work.around.do(actor, rpc, request, service)
            met.add(True)
        except NotFound:
            met.add(False)
    return met


async def found(work: Work, actor: Actor) -> set[bool]:
    """Returns whether lists hold anything for an actor."""
    met = set()
    for rpc, request, service in work.lists():
        try:
            answer = await work.around.do(actor, rpc, request, service)
            met.add(any(field.message_type and getattr(answer, field.name) for field in answer.DESCRIPTOR.fields))
        except NotFound:  # the run whose trials were asked for
            met.add(False)
    return met


async def test_x17_x31_x33_x73_x87_x88_what_was_done_with_a_program_follows_it(around: Neighbourhood) -> None:
    """Private: owner and administrators; public: everybody of the organization reads, and still nobody else writes."""
    owner = await around.person()
    colleague, viewer = await around.person(), await around.person(role=VIEWER)
    work = Work(around, owner)
    await work.do()
    for visibility, others in ((Visibility.VISIBILITY_PRIVATE, False), (Visibility.VISIBILITY_PUBLIC, True)):
        await work.show(visibility)
        for actor, may in ((owner, True), (around.house.admin, True), (colleague, others), (viewer, others)):
            assert await sees(work, actor) == {may}, (visibility, actor)
            assert await found(work, actor) == {may}, (visibility, actor)
        for actor in (colleague, viewer):
            for rpc, request, service in work.writes():
                with pytest.raises((NotPermitted, NotFound)):
                    await around.do(actor, rpc, request, service)
    demoted = Actor(owner.kind, owner.id, owner.organization_id, Role.VIEWER)
    assert await sees(work, demoted) == {True}
    for rpc, request, service in work.writes():
        with pytest.raises(NotPermitted):
            await around.do(demoted, rpc, request, service)


async def test_x21_x73_only_who_may_use_a_program_executes_it(around: Neighbourhood) -> None:
    """X-21, X-73: not viewers, though they read it; and to whoever does not read it, it is not there."""
    owner, colleague, viewer = await around.person(), await around.person(), await around.person(role=VIEWER)
    program = await around.program(owner, visibility=program_pb2.Program.VISIBILITY_PUBLIC)
    request = execution_rpc.ExecuteProgramRequest(program_id=program.id, inputs={"text": "x"})  # type: ignore[arg-type]
    with pytest.raises(NotPermitted):
        await around.do(viewer, "ExecuteProgram", request, "program")
    hidden = program_pb2.Program(id=program.id, visibility=program_pb2.Program.VISIBILITY_PRIVATE)
    await around.do(owner, "UpdateProgram", program_rpc.UpdateProgramRequest(program=hidden), "program")
    with pytest.raises(NotFound):
        await around.do(colleague, "ExecuteProgram", request, "program")
