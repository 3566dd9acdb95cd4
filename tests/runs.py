"""Runs that a crash interrupts: of every strategy, raced and held out, over a model that counts, and external ones.

work = Work(processes, models)
await work.prepare()
async with work.going():            # as many runs as there is room for, and executions beside them
await processes.restart("program-worker", failpoint="result.kept")
await processes.killed("program-worker")
await processes.start("program-worker")
await work.ended()                  # of each run that was begun
await whole(work)                   # tests/whole.py: what must hold then
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import grpc
import psycopg
from ashgrove.areas import AuditArea, AuthArea, OptimizerArea, ProgramArea, VariablesArea
from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import CreateOrganizationRequest
from ashgrove.optimizer.v1 import external_requests_pb2 as external_rpc
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1.pushed_trials_pb2 import PushTrialsRequest
from ashgrove.program.v1 import connector_pb2, dataset_pb2, program_pb2
from ashgrove.program.v1 import dataset_requests_pb2 as dataset_rpc
from ashgrove.program.v1.connector_requests_pb2 import CreateConnectorRequest
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from ashgrove.variables.v1 import variable_space_pb2
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from google.protobuf.message import Message

from framework.call import Actor, ActorKind, Role
from framework.identifiers import new_id
from framework.tasks import stopped
from tests.models import ModelServer, Say
from tests.processes import Processes

PROCESSES = ("auth", "program", "variables", "optimizer", "audit", "program-worker", "optimizer-worker")
AT_ONCE = 2
"""How many examples of one evaluation are under way at a time."""
SETTINGS = {"egress_allow": "127.0.0.1", "examples_at_once": str(AT_ONCE), "evaluations_at_once": "3"}
ENDED = ("STATUS_COMPLETED", "STATUS_FAILED", "STATUS_CANCELLED")
PATIENCE_SECONDS = 300.0
LONGEST_SECONDS = 1000.0
"""How long a call is made again: work that is taken up anew after every kill may come to its end after the last."""
_OPERATOR = Actor(ActorKind.SERVICE, "auth", role=Role.ADMIN, operator=True)
_AGAIN = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
)
_STUBS = {
    "audit": AuditArea,
    "auth": AuthArea,
    "program": ProgramArea,
    "variables": VariablesArea,
    "optimizer": OptimizerArea,
}
Run = run_pb.OptimizationRun
STRATEGIES = [number for number in Run.Strategy.values() if 0 < number < Run.STRATEGY_REGISTERED]
_OPTIONS: dict[int, dict[str, Any]] = {
    Run.STRATEGY_BAYESIAN: {"bayesian": {"startup_trials": 2}},
    Run.STRATEGY_CMA_ES: {"cma_es": {"population": 4}},
    Run.STRATEGY_EVOLUTIONARY: {"evolutionary": {"population": 2}},
    Run.STRATEGY_GRID_SEARCH: {"grid_search": {"levels": 2}},
}


def answers(request: dict[str, Any]) -> Say:
    """What the model says: right when it is cold, wrong when it is hot."""
    language = "sv" if request["temperature"] < 0.5 else "da"
    return Say(f"[[ ## language ## ]]\n{language}\n\n[[ ## completed ## ]]", latency=0.01)


def gain(configuration: Any) -> float:
    """What a client of an external run measures."""
    return round((configuration["temperature"] + configuration["top_p"]) / 4, 9)


class Work:
    """What is begun while processes die, and what is known of it besides what the rows say."""

    def __init__(self, processes: Processes, models: ModelServer) -> None:
        self.processes = processes
        self.models = models
        self.runs: list[str] = []
        self.executions: list[str] = []
        self.told: dict[str, dict[int, float]] = {}
        """Of each external run, what its client was answered that it had told, by trial."""
        self.kills: list[tuple[str, str]] = []
        self.kept: dict[str, dict[UUID, Any]] = {"program.evaluation_results": {}, "optimizer.trials": {}}
        """What was finished at some kill, by table and id."""
        self._more = False
        self._clients: list[asyncio.Task[None]] = []
        self._going: list[asyncio.Task[None]] = []
        """What begins more: when one of them has failed, nothing may ever come to a failpoint."""

    async def prepare(self) -> None:
        """Founds an organization with a program over a connector of limits, a space, and datasets."""
        self.models.otherwise = answers
        founding = CreateOrganizationRequest(
            organization=organization_pb2.Organization(name=f"crashes {new_id()}"), admin_email="a@crashes.test"
        )
        made = await self.processes.call("auth", AuthArea, "CreateOrganization", founding, _OPERATOR)
        organization, key = UUID(made.organization.id), made.api_key.id
        self.actor = Actor(ActorKind.USER, made.administrator.id, organization, Role.ADMIN, credential_id=key)
        for name, concurrency in (("shared", 5), ("single", 1)):
            await self._connector(name, concurrency)
        self.program, self.single = [await self._program(model) for model in ("shared", "single")]
        self.few = await self._dataset(6, test=3)
        self.many = await self._dataset(24)
        space = variable_space_pb2.VariableSpace(name="heat")
        space.variables.add(name="temperature", float=variable_space_pb2.FloatDomain(low=0, high=1))
        space.variables.add(name="top_p", float=variable_space_pb2.FloatDomain(low=0.1, high=1))
        request = CreateVariableSpaceRequest(variable_space=space)
        self.space = (await self.do("variables", "CreateVariableSpace", request)).id
        self.taught = await self._dataset(4, train=6)
        shown = variable_space_pb2.VariableSpace(name="shown")
        demos = variable_space_pb2.DemoSetDomain(slot="main", dataset_id=self.taught, dataset_revision=2)
        shown.variables.add(name="shown", demo_set=demos)
        request = CreateVariableSpaceRequest(variable_space=shown)
        self.shown = (await self.do("variables", "CreateVariableSpace", request)).id

    async def _connector(self, name: str, concurrency: int) -> None:
        made = connector_pb2.Connector(name=name, provider="openai", base_url=self.models.url, model="m1")
        made.prices.add(input_micros=1_000_000, output_micros=4_000_000)
        made.limits.concurrency, made.limits.spend_micros_per_month = concurrency, 10**12
        await self.do("program", "CreateConnector", CreateConnectorRequest(connector=made))

    async def _program(self, model: str) -> str:
        made = program_pb2.Program(name=f"language by {model}", type=program_pb2.Program.TYPE_PREDICT)
        made.signature_config.inputs.add(name="text")
        made.signature_config.outputs.add(name="language")
        made.program_config.model, made.program_config.max_tokens = model, 8
        return str((await self.do("program", "CreateProgram", CreateProgramRequest(program=made))).id)

    async def _dataset(self, validation: int, test: int = 0, train: int = 0) -> str:
        made = dataset_pb2.Dataset(name=f"texts {new_id()}")
        made.input_fields.add(name="text")
        made.output_fields.add(name="language")
        created = await self.do("program", "CreateDataset", dataset_rpc.CreateDatasetRequest(dataset=made))
        request = dataset_rpc.BatchCreateExamplesRequest(dataset_id=created.id)
        splits = {
            dataset_pb2.SPLIT_VALIDATION: validation,
            dataset_pb2.SPLIT_TEST: test,
            dataset_pb2.SPLIT_TRAIN: train,
        }
        for number, split in enumerate(split for split, count in splits.items() for _ in range(count)):
            example = request.examples.add(split=split)
            example.inputs.update({"text": f"text {number}"})
            example.outputs.update({"language": "sv"})
        await self.do("program", "BatchCreateExamples", request)
        return str(created.id)

    async def do(self, service: str, rpc: str, request: Message) -> Any:
        """Does a call, again while whoever should answer is away or slow: as a client does that was told to."""
        if "request_id" in request.DESCRIPTOR.fields_by_name and not getattr(request, "request_id", ""):
            request = type(request).FromString(request.SerializeToString())
            request.request_id = str(new_id())  # what was done and not answered is not done again
        async with asyncio.timeout(LONGEST_SECONDS):
            while True:
                try:
                    return await self.processes.call(service, _STUBS[service], rpc, request, self.actor)
                except grpc.aio.AioRpcError as cut:
                    if cut.code() not in _AGAIN:
                        raise
                    await asyncio.sleep(0.2)

    @asynccontextmanager
    async def going(self, at_once: int = 5) -> AsyncIterator[None]:
        """Begins runs and executions, one after another, for the length of a block; raises what went wrong with one."""
        self._more = True
        tasks = self._going = [asyncio.create_task(each) for each in (self._begin_runs(at_once), self._execute())]
        try:
            yield
            self._more = False
            await asyncio.gather(*tasks)
        finally:
            await stopped(tasks)

    def _kinds(self) -> Iterator[Run]:
        for number in itertools.count():
            yield from (self.wanted(strategy, number) for strategy in STRATEGIES)
            yield from (self.raced(), self.noisy(), self.bootstrapped())

    def wanted(self, strategy: Any, number: int = 0) -> Run:
        """Returns a run of a strategy over few examples, every second synchronous, every other held out."""
        run = self._run(self.few, strategy, max_trials=4, parallelism=2, seed=number + 1)
        run.schedule = Run.SCHEDULE_SYNCHRONOUS if (number + strategy) % 2 else Run.SCHEDULE_ASYNCHRONOUS
        run.holdout = Run.HOLDOUT_ON if (number + strategy) % 4 < 2 else Run.HOLDOUT_OFF
        return run

    def raced(self) -> Run:
        """Returns a run in which a hot trial loses to a cold one."""
        run = self._run(self.many, Run.STRATEGY_GRID_SEARCH, max_trials=4, parallelism=1, seed=1)
        run.racing.first_rung = 4
        return run

    def noisy(self) -> Run:
        """Returns a run whose two best are evaluated afresh, twice each, before one is named."""
        run = self._run(self.few, Run.STRATEGY_RANDOM, max_trials=3, parallelism=2, seed=1)
        run.repeats.count, run.repeats.candidates = 2, 2
        return run

    def bootstrapped(self) -> Run:
        """Returns a run over sets of demonstrations of what the model has answered well."""
        run = self._run(self.taught, Run.STRATEGY_BOOTSTRAP_RANDOM_SEARCH, max_trials=3, parallelism=2, seed=1)
        run.variable_space_id = self.shown
        run.strategy_configuration.bootstrap_random_search.max_demonstrations = 2
        return run

    def _run(self, dataset: str, strategy: Any, **fields: Any) -> Run:
        run = Run(program_id=self.program, variable_space_id=self.space, dataset_id=dataset, **fields)
        run.strategy = strategy
        run.objectives.add(metric="exact_match")
        return self._with_options(run)

    @staticmethod
    def _with_options(run: Run) -> Run:
        for name, options in _OPTIONS.get(run.strategy, {}).items():
            for option, value in options.items():
                setattr(getattr(run.strategy_configuration, name), option, value)
        return run

    async def begin(self, run: Run) -> str:
        """Begins a run, once, however often its beginning must be asked for."""
        request = run_rpc.CreateOptimizationRunRequest(optimization_run=run, request_id=str(new_id()))
        made = await self.do("optimizer", "CreateOptimizationRun", request)
        self.runs.append(made.id)
        return str(made.id)

    async def _begin_runs(self, at_once: int) -> None:
        kinds, strategies = self._kinds(), itertools.cycle(STRATEGIES)
        while self._more:
            if await self.open() < at_once:
                await self.begin(next(kinds))
                if len(self.runs) % 3 == 1:
                    client = self.external(next(strategies), pushed=len(self._clients) % 2 == 0)
                    self._clients.append(asyncio.create_task(client))
            await asyncio.sleep(0.3)

    async def external(self, strategy: Any, *, pushed: bool = False) -> None:
        """Runs an external run to its end, as its only client, which asks for its trials or is sent them."""
        run = self._with_options(
            Run(variable_space_id=self.space, evaluator=Run.EVALUATOR_EXTERNAL, strategy=strategy, max_trials=6)
        )
        up = run_pb.Objective.DIRECTION_MAXIMIZE
        run.objectives.add(metric="gain", direction=up, low=0, high=1)
        identifier = await self.begin(run)
        told = self.told[identifier] = {}
        async for trials in self._pushed(identifier) if pushed else self._asked(identifier):
            measured = {trial.number: gain(trial.configuration) for trial in trials}
            done = [external_rpc.TrialCompletion(number=n, objectives={"gain": g}) for n, g in measured.items()]
            request = external_rpc.CompleteTrialsRequest(id=identifier, client="a", completions=done)
            await self.do("optimizer", "CompleteTrials", request)
            told |= measured

    async def _asked(self, identifier: str) -> AsyncIterator[Any]:
        asked = external_rpc.SuggestTrialsRequest(id=identifier, client="a", count=2)
        while True:
            answer = await self.do("optimizer", "SuggestTrials", asked)
            if Run.Status.Name(answer.standing.status) in ENDED:
                return
            if answer.trials:
                yield answer.trials
            await asyncio.sleep(0.05)

    async def _pushed(self, identifier: str) -> AsyncIterator[Any]:
        request = PushTrialsRequest(id=identifier, client="a", ahead=2)
        while True:
            sent = self.processes.stream("optimizer", OptimizerArea, "PushTrials", request, self.actor)
            try:
                async for frame in sent:
                    if frame.item.trials:
                        yield frame.item.trials
                    if frame.HasField("end"):
                        return
            except grpc.aio.AioRpcError as cut:  # whoever sent them was killed: the client goes on where it was
                if cut.code() not in _AGAIN:
                    raise
            await asyncio.sleep(0.2)

    async def _execute(self) -> None:
        while self._more:
            request = ExecuteProgramRequest(program_id=self.single, request_id=str(new_id()))
            request.inputs.update({"text": "hav och fjäll"})
            done = await self.do("program", "ExecuteProgram", request)
            self.executions.append(done.id)
            await asyncio.sleep(2.5)  # long enough for the worker to give its part of the limit back

    async def open(self) -> int:
        """Returns how many runs have not ended; waits for a database that is away."""
        sql = "SELECT count(*) FROM optimizer.optimization_runs WHERE status <> ALL(%s)"
        while True:
            with suppress(psycopg.OperationalError):
                ((count,),) = await self.processes.fetch(sql, list(ENDED))
                return int(count)
            await asyncio.sleep(0.2)

    async def ended(self) -> None:
        """Returns when every run has ended; raises what went wrong with the client of one."""
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            await asyncio.gather(*self._clients)
            while await self.open():  # noqa: ASYNC110 - other processes end them
                await asyncio.sleep(0.2)

    async def killed(self, victim: str, failpoint: str = "") -> None:
        """Returns when a process has died, at its failpoint where one is armed, and notes what was finished by then."""
        if failpoint:
            try:
                await self.processes.killed(victim, PATIENCE_SECONDS)
            except TimeoutError:
                ended = [task.exception() for task in self._going if task.done() and not task.cancelled()]
                cause = next((fault for fault in ended if fault), None)
                raise AssertionError(f"{victim} never came to {failpoint}; {await self._standing()}") from cause
        else:
            await self.processes.kill(victim)
        self.kills.append((victim, failpoint))
        await self.note_finished()

    async def _standing(self) -> str:
        """Returns what executions are under way and what workers hold of limits, for whoever asks why nothing comes."""
        found = {
            table: [dict(row) for row in await self.processes.rows(f"SELECT * FROM program.{table} WHERE {which}")]
            for table, which in (
                ("executions", "status IN ('WORK_STATUS_PENDING', 'WORK_STATUS_RUNNING')"),
                ("model_allowances", "unit IN ('money', 'slots')"),
                ("model_allotments", "true"),
                ("model_workers", "true"),
            )
        }
        return f"{len(self.executions)} executions have ended; {found}"

    async def note_finished(self) -> None:
        """Notes what is finished now: none of it may ever be lost, or become another."""
        for table, known in self.kept.items():
            known |= await finished_in(self.processes, table)


_FINISHED = {
    "program.evaluation_results": "SELECT * FROM program.evaluation_results",
    "optimizer.trials": """SELECT id, number, configuration, status, objectives, error, finished_count, tokens,
        cost_micros, seed, informed_count, pending_then FROM optimizer.trials
        WHERE status NOT IN ('STATUS_RUNNING', 'STATUS_PENDING')""",
}


async def finished_in(processes: Processes, table: str) -> dict[UUID, Any]:
    """Returns what is finished, by id."""
    return {row["id"]: row for row in await processes.rows(_FINISHED[table])}
