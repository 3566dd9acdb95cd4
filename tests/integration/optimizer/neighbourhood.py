"""The optimizer among its peers: auth, program, variables and itself served over gRPC, with the real interceptors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from ashgrove.areas import OptimizerArea, ProgramArea, VariablesArea
from ashgrove.auth.v1 import auth_internal_service_pb2_grpc
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import CreateOptimizationRunRequest
from ashgrove.program.v1 import dataset_pb2, program_pb2
from ashgrove.program.v1 import dataset_requests_pb2 as dataset_rpc
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from ashgrove.variables.v1 import variable_space_pb2
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from grpc import aio

from framework.call import Actor
from framework.engine import Engine
from framework.identifiers import new_id
from framework.rpc.channels import as_caller, channel_to
from framework.rpc.current import current
from framework.rpc.identity import Verifier
from framework.rpc.interceptors import interceptors
from framework.rpc.peer_failures import from_peer
from framework.rpc.servicer import handlers_of
from framework.settings import ServiceSettings
from framework.tasks import stopped
from framework.testing.workbench import PASSWORD, Workbench, workbench
from services.auth.application import service_secrets
from services.auth.internal import InternalServicer
from services.auth.secrets import make_missing
from services.optimizer.application import Application, application
from services.optimizer.registry import registry as optimizer_registry
from services.optimizer.worker import Worker
from services.program.registry import registry as program_registry
from services.program.running import Outcome
from services.program.worker import Worker as ProgramWorker
from services.program.working import Workshop
from services.variables.application import Application as VariablesApplication
from services.variables.registry import registry as variables_registry
from tests.integration.auth.house import House, migrated
from tests.integration.optimizer.books import parts_of

_SERVICES = Path(__file__).parents[3] / "services"


@dataclass
class Model:
    """The program's model: it answers at once, and holds back the inputs that a test wants held."""

    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    held: Callable[[str], bool] = lambda text: False
    says: Callable[[str, float], str] = lambda text, temperature: "sv"
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def prepare(self, program: Any, configuration: Mapping[str, Any], train: Sequence[Any]) -> Any:
        """Returns what answers an input."""

        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            text = f"{inputs['text']} at {configuration['temperature']}"
            self.asked.append(text)
            if self.held(text):
                try:
                    await self.let_go.wait()
                finally:
                    self.stopped += [] if self.let_go.is_set() else [text]
            self.answered.append(text)
            said = self.says(str(inputs["text"]), configuration["temperature"])
            return Outcome({"language": said}, latency_ms=1.0, cost_micros=2)

        return run


@dataclass
class Neighbourhood:
    """Stubs of every service, the people who call them, and the parts of a worker."""

    house: House
    optimizer: Workbench
    program_bench: Workbench
    peers: Application
    stubs: dict[str, Any]
    auth: "Served"
    model: Model = field(default_factory=Model)
    variables_bench: Workbench | None = None

    async def do(self, actor: Actor, rpc: str, request: Any, service: str = "optimizer") -> Any:
        """Does an RPC as an actor; raises the Failure that the service answered with."""
        metadata = as_caller(self.house.tokens.issue_identity(actor).text)
        with from_peer(service):
            return await getattr(self.stubs[service], rpc)(request, metadata=metadata)

    async def person(self, **fields: Any) -> Actor:
        """Returns a new user of the organization."""
        return self.house.actor(await self.house.user(**fields))

    async def program(self, actor: Actor, **fields: Any) -> program_pb2.Program:
        """Creates a program as an actor."""
        made = program_pb2.Program(name=_name(), type=program_pb2.Program.TYPE_PREDICT, **fields)
        made.signature_config.inputs.add(name="text")
        made.signature_config.outputs.add(name="language")
        request = CreateProgramRequest(program=made)
        return await self.do(actor, "CreateProgram", request, "program")  # type: ignore[no-any-return]

    async def dataset(self, actor: Actor, validation: int = 4, test: int = 0, **fields: Any) -> dataset_pb2.Dataset:
        """Creates a dataset with that many validation and test examples as an actor."""
        made = dataset_pb2.Dataset(name=_name(), **fields)
        made.input_fields.add(name="text")
        made.output_fields.add(name="language")
        created = await self.do(actor, "CreateDataset", dataset_rpc.CreateDatasetRequest(dataset=made), "program")
        if not validation:
            return created  # type: ignore[no-any-return]
        request = dataset_rpc.BatchCreateExamplesRequest(dataset_id=created.id)
        for number in range(validation + test):
            split = dataset_pb2.SPLIT_VALIDATION if number < validation else dataset_pb2.SPLIT_TEST
            example = request.examples.add(split=split)
            example.inputs.update({"text": f"text {number}"})
            example.outputs.update({"language": "sv"})
        return (await self.do(actor, "BatchCreateExamples", request, "program")).dataset  # type: ignore[no-any-return]

    async def space(self, actor: Actor) -> variable_space_pb2.VariableSpace:
        """Creates a space of one variable as an actor."""
        made = variable_space_pb2.VariableSpace(name=_name())
        made.variables.add(name="temperature", float=variable_space_pb2.FloatDomain(low=0.0, high=1.0))
        request = CreateVariableSpaceRequest(variable_space=made)
        return await self.do(actor, "CreateVariableSpace", request, "variables")  # type: ignore[no-any-return]

    async def wanted(self, actor: Actor, **fields: Any) -> run_pb.OptimizationRun:
        """Returns a run that could start: of a program, a dataset and a space of the actor's."""
        usual = {
            "program_id": (await self.program(actor)).id,
            "dataset_id": (await self.dataset(actor)).id,
            "variable_space_id": (await self.space(actor)).id,
            "strategy": run_pb.OptimizationRun.STRATEGY_RANDOM,
            "objectives": [run_pb.Objective(metric="exact_match"), run_pb.Objective(metric="cost")],
            "max_trials": 2,
        }
        return run_pb.OptimizationRun(**(usual | fields))

    async def start(self, actor: Actor, wanted: run_pb.OptimizationRun, request_id: str = "") -> run_pb.OptimizationRun:
        """Starts a run as an actor."""
        request = CreateOptimizationRunRequest(optimization_run=wanted, request_id=request_id)
        return await self.do(actor, "CreateOptimizationRun", request)  # type: ignore[no-any-return]

    def let_variables_ask(self) -> None:
        """Lets the variables service ask the others, as its own process does; by itself it asks nobody here."""
        assert self.variables_bench is not None
        self.variables_bench.engine.application = VariablesApplication(
            program=self.peers.program, optimizer=self.stubs["optimizer"]
        )

    async def hear(self) -> None:
        """Tells the program service what auth has told so far, as its feed does in every process."""
        revocations = self.program_bench.engine.revocations
        revocations.heard()
        for event in await self.house.told():
            revocations.note(event)
        self.program_bench.engine.end_streams()

    async def grants(self) -> list[dict[str, Any]]:
        """Returns the organization's grants, the oldest first."""
        async with self.house.database.system() as tx:
            return await tx.fetch(
                "SELECT * FROM grants WHERE organization_id = %(o)s ORDER BY created_at, id",
                {"o": self.house.organization_id},
            )

    async def forget_open_work(self) -> None:
        """Ends what earlier tests left without a worker: the queues are the whole databases'."""
        for bench, table, prefix in (
            (self.optimizer, "optimization_runs", "STATUS"),
            (self.program_bench, "evaluations", "WORK_STATUS"),
            (self.program_bench, "executions", "WORK_STATUS"),
        ):
            async with bench.database.system() as tx:
                await tx.execute(f"UPDATE {table} SET status = '{prefix}_CANCELLED' WHERE completed_at IS NULL")

    @asynccontextmanager
    async def working(self, lease_seconds: float = 8.0, workshop: Workshop | None = None) -> AsyncIterator[None]:
        """Has one worker of each service work for the length of a block; `workshop` asks other models."""
        workshop = workshop or Workshop(self.program_bench.engine, self.model.prepare, at_once=2)
        optimizing = Worker(parts_of(self.optimizer), self.peers, lease_seconds=lease_seconds)
        tasks = [asyncio.create_task(ProgramWorker(workshop).run()), asyncio.create_task(optimizing.run())]
        try:
            yield
        finally:
            await stopped(tasks)


def _name() -> str:
    return f"name {new_id()}"


def database_for(postgres_url: str, name: str) -> str:
    """Returns the superuser's URL of a new database."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{postgres_url.rsplit('/', 1)[0]}/{name}"


@asynccontextmanager
async def neighbourhood(url: str, auth_url: str, secrets: Path) -> AsyncIterator[Neighbourhood]:
    """Serves every peer for the length of a block, with a new organization."""
    make_missing(secrets)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(House(auth_url, secrets))
        verifier = Verifier(_keys_of(house))
        internal = InternalServicer(house.tokens, house.grants, service_secrets(secrets), current)
        auth = Served(house.engine, verifier, internal)
        await auth.up()
        stack.push_async_callback(auth.down)
        program = await _peer(stack, url, "program", program_registry())
        variables = await _peer(stack, url, "variables", variables_registry())
        addresses = {
            "auth": auth.address,
            "program": await stack.enter_async_context(_served(program.engine, verifier)),
            "variables": await stack.enter_async_context(_served(variables.engine, verifier)),
        }
        peers = application(_settings(addresses, secrets))
        stack.push_async_callback(peers.close)
        optimizer = await _peer(stack, url, "optimizer", optimizer_registry(), peers)
        addresses["optimizer"] = await stack.enter_async_context(_served(optimizer.engine, verifier))
        stubs = {
            name: stub(await stack.enter_async_context(_channel(addresses[name]))) for name, stub in _STUBS.items()
        }
        yield Neighbourhood(house, optimizer, program, peers, stubs, auth, variables_bench=variables)


_STUBS: dict[str, Any] = {
    "program": ProgramArea,
    "variables": VariablesArea,
    "optimizer": OptimizerArea,
}


def _keys_of(house: House) -> Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]:
    async def fetch() -> Sequence[Mapping[str, Any]]:
        return house.tokens.jwks()

    return fetch


async def _peer(stack: AsyncExitStack, url: str, name: str, registry: Any, its: Any = None) -> Workbench:
    return await stack.enter_async_context(workbench(registry, url, _SERVICES / name / "migrations", its))


class Served:
    """An engine behind a port of its own, which can go down and come up again."""

    def __init__(self, engine: Engine, verifier: Verifier, internal: InternalServicer | None = None) -> None:
        self._engine, self._verifier, self._internal = engine, verifier, internal
        self._server: Any = None
        self._port = 0

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"127.0.0.1:{self._port}"

    async def up(self) -> None:
        """Begins to answer, where it did before."""
        self._server = aio.server(interceptors=interceptors(self._verifier))
        self._server.add_generic_rpc_handlers(tuple(handlers_of(self._engine)))
        if self._internal is not None:
            auth_internal_service_pb2_grpc.add_AuthInternalServiceServicer_to_server(self._internal, self._server)  # type: ignore[no-untyped-call]
        self._port = self._server.add_insecure_port(self.address)
        await self._server.start()

    async def down(self) -> None:
        """Stops answering at once."""
        await self._server.stop(0)


@asynccontextmanager
async def _served(engine: Engine, verifier: Verifier) -> AsyncIterator[str]:
    served = Served(engine, verifier)
    await served.up()
    yield served.address
    await served.down()


@asynccontextmanager
async def _channel(address: str) -> AsyncIterator[aio.Channel]:
    channel = channel_to(address)
    yield channel
    await channel.close()


def _settings(addresses: Mapping[str, str], secrets: Path) -> ServiceSettings:
    nowhere = "127.0.0.1:1"
    given: dict[str, Any] = {f"{name}_address": address for name, address in addresses.items()}
    return ServiceSettings(
        service_port=1,
        database_url=nowhere,
        database_password=PASSWORD,  # type: ignore[arg-type]
        redis_url=nowhere,  # type: ignore[arg-type]
        optimizer_address=nowhere,
        audit_address=nowhere,
        secrets=secrets,
        **given,
    )


def urls(postgres_url: str) -> tuple[str, str]:
    """Returns the URLs of the two databases that a session's neighbourhoods share: the services', and auth's."""
    return (
        database_for(postgres_url, "neighbours"),
        migrated(database_for(postgres_url, "neighbours_auth")),
    )
