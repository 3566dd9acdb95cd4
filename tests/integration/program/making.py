"""Makes what tests of the program service need: a program, a dataset, examples, a worker for the length of a block."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from ashgrove.program.v1 import dataset_pb2, execution_pb2, program_pb2
from ashgrove.program.v1 import dataset_requests_pb2 as dataset_rpc
from ashgrove.program.v1.evaluation_requests_pb2 import (
    EvaluateProgramRequest,
    EvaluateProgramResponse,
    ListEvaluationResultsRequest,
)
from ashgrove.program.v1.program_internal_service_pb2_grpc import (
    ProgramInternalServiceStub,
    add_ProgramInternalServiceServicer_to_server,
)
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from grpc import aio

from framework.call import Actor, service_actor
from framework.egress import EgressPolicy
from framework.identifiers import new_id
from framework.rpc.channels import as_caller, channel_to
from framework.rpc.current import current
from framework.secrets import SecretReferences
from framework.settings import OutsideSettings
from framework.testing.serving import Served, served
from framework.testing.workbench import Workbench
from services.program.handing import HandingServicer
from services.program.taking import Taking
from services.program.worker import Worker
from services.program.working import Workshop


def outside(**settings: Any) -> tuple[EgressPolicy, SecretReferences]:
    """The rules for what is outside, with hosts and secrets that an operator allowed."""
    given = OutsideSettings(**settings)
    return EgressPolicy(given), SecretReferences(given)


WORDS = [("och", "sv"), ("und", "de"), ("et", "fr"), ("and", "en")]


def program(name: str = "language", **fields: Any) -> program_pb2.Program:
    """A program that tells the language of a text."""
    made = program_pb2.Program(name=name, type=program_pb2.Program.TYPE_PREDICT, **fields)
    made.signature_config.inputs.add(name="text")
    made.signature_config.outputs.add(name="language", choices=[language for _, language in WORDS])
    return made


def example(index: int, split: dataset_pb2.Split.ValueType) -> dataset_pb2.Example:
    """The index-th example of a split."""
    word, language = WORDS[index % len(WORDS)]
    made = dataset_pb2.Example(split=split)
    made.inputs.update({"text": f"{split}{index} {word} {index}{split}"})
    made.outputs.update({"language": language})
    return made


async def create_program(bench: Workbench, actor: Actor | None = None, **fields: Any) -> program_pb2.Program:
    """Creates a program as the user."""
    made: program_pb2.Program = await bench.do("CreateProgram", CreateProgramRequest(program=program(**fields)), actor)
    return made


def custom_program(entry_point: str, **config: Any) -> program_pb2.Program:
    """A program whose registered code answers a text."""
    made = program_pb2.Program(name=f"runs {entry_point} {new_id()}", type=program_pb2.Program.TYPE_CUSTOM)
    made.signature_config.inputs.add(name="text")
    made.signature_config.outputs.add(name="answer")
    made.program_config.CopyFrom(program_pb2.ProgramConfig(entry_point=entry_point, **config))
    return made


async def create_custom(bench: Workbench, entry_point: str, **config: Any) -> program_pb2.Program:
    """Creates a program of registered code as the user."""
    request = CreateProgramRequest(program=custom_program(entry_point, **config))
    made: program_pb2.Program = await bench.do("CreateProgram", request)
    return made


async def create_texts(bench: Workbench, count: int = 6) -> dataset_pb2.Dataset:
    """Creates a dataset of texts, `a`, `bb`, `ccc` and so on, half of which are their own answer."""
    wanted = dataset_pb2.Dataset(name=f"texts {new_id()}")
    wanted.input_fields.add(name="text")
    wanted.output_fields.add(name="answer")
    made: dataset_pb2.Dataset = await bench.do("CreateDataset", dataset_rpc.CreateDatasetRequest(dataset=wanted))
    examples = []
    for i in range(count):
        text = chr(ord("a") + i) * (i + 1)
        one = dataset_pb2.Example(split=dataset_pb2.SPLIT_VALIDATION)
        one.inputs.update({"text": text})
        one.outputs.update({"answer": text if i % 2 == 0 else "another"})
        examples.append(one)
    return (await add(bench, made.id, examples)).dataset


async def create_dataset(bench: Workbench, train: int = 8, validation: int = 12, **fields: Any) -> dataset_pb2.Dataset:
    """Creates a dataset with examples as the user."""
    wanted = dataset_pb2.Dataset(name=fields.pop("name", "names"), **fields)
    wanted.input_fields.add(name="text")
    wanted.output_fields.add(name="language")
    made: dataset_pb2.Dataset = await bench.do("CreateDataset", dataset_rpc.CreateDatasetRequest(dataset=wanted))
    examples = [example(i, dataset_pb2.SPLIT_TRAIN) for i in range(train)]
    examples += [example(i, dataset_pb2.SPLIT_VALIDATION) for i in range(validation)]
    return (await add(bench, made.id, examples)).dataset if examples else made


async def add(
    bench: Workbench, dataset_id: str, examples: Sequence[dataset_pb2.Example], actor: Actor | None = None
) -> dataset_rpc.BatchCreateExamplesResponse:
    """Adds examples as the user."""
    request = dataset_rpc.BatchCreateExamplesRequest(dataset_id=dataset_id, examples=examples)
    response: dataset_rpc.BatchCreateExamplesResponse = await bench.do("BatchCreateExamples", request, actor)
    return response


@asynccontextmanager
async def working(workshop: Workshop, name: str = "") -> AsyncIterator[asyncio.Task[None]]:
    """Runs a worker for the length of a block."""
    task = asyncio.create_task(Worker(workshop, name).run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class Handing:
    """What hands executions over, behind a real port: what a worker needs to take them."""

    def __init__(self, service: Served, channel: aio.Channel) -> None:
        self.service = service
        self._channel = channel
        self.stub: Any = ProgramInternalServiceStub(channel)  # type: ignore[no-untyped-call, unused-ignore]

    def of(self, worker: Worker) -> Taking:
        """Returns what takes for a worker."""
        return Taking(worker, self._channel, self)  # type: ignore[arg-type]

    async def own(self) -> str:
        """Returns a token of the program service, as `ServiceTokens` would."""
        return self.service.issuer.token(service_actor("program"))

    def as_actor(self, actor: Actor) -> aio.Metadata:
        """Returns what says who calls."""
        return as_caller(self.service.issuer.token(actor))


@asynccontextmanager
async def handing(bench: Workbench) -> AsyncIterator[Handing]:
    """Serves what hands executions to workers, as in earnest, for the length of a block."""
    servicer = HandingServicer(bench.engine.application.waiting, current)

    def add(server: aio.Server) -> None:
        add_ProgramInternalServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call, unused-ignore]

    async with served(bench, servicers=[add]) as service, channel_to(f"127.0.0.1:{service.port}") as channel:
        yield Handing(service, channel)


def evaluation(program: program_pb2.Program, dataset: dataset_pb2.Dataset, **fields: Any) -> EvaluateProgramRequest:
    """A request for an evaluation over the validation split."""
    configuration = fields.pop("configuration", {"demonstration_count": 4, "rule_count": 8})
    request = EvaluateProgramRequest(
        program_id=program.id, dataset_id=dataset.id, split=dataset_pb2.SPLIT_VALIDATION, **fields
    )
    request.configuration.update(configuration)
    return request


async def frames(
    bench: Workbench, request: EvaluateProgramRequest, actor: Actor | None = None
) -> AsyncIterator[EvaluateProgramResponse]:
    """Streams an evaluation as the user."""
    method = bench.registry.method("EvaluateProgram")
    context = bench.context(actor or bench.user, "EvaluateProgram", 240.0)
    async for frame in bench.engine.stream(method, context, request):
        assert isinstance(frame, EvaluateProgramResponse)
        yield frame


async def evaluated(
    bench: Workbench, request: EvaluateProgramRequest, actor: Actor | None = None
) -> tuple[list[execution_pb2.EvaluationResult], execution_pb2.Evaluation]:
    """Streams an evaluation to its end and returns its results and itself."""
    results, last = [], None
    async for frame in frames(bench, request, actor):
        last = frame
        if frame.WhichOneof("frame") == "item":
            results.append(frame.item)
    assert last is not None and last.HasField("end")
    return results, last.evaluation


async def results_of(bench: Workbench, identifier: str) -> list[execution_pb2.EvaluationResult]:
    """Lists an evaluation's results in their order."""
    request = ListEvaluationResultsRequest(evaluation_id=identifier, page_size=1000, order_by="sequence")
    response = await bench.do("ListEvaluationResults", request)
    return list(response.evaluation_results)
