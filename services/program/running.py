"""Running a program on one input: the outcome, whether the model answered, refused or is away."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ashgrove.program.v1 import program_pb2
from google.protobuf.json_format import MessageToDict

from domain.values import Json, canonical_json
from services.program import shapes
from services.program.code.contract import CodeFault
from services.program.configurations import settings_of, tuned
from services.program.connectors.desk import Desk
from services.program.lm.engine import ModelFault, ModelRefused, ModelSettings, ModelUnavailable
from services.program.lm.parameters import Parameters, parameters
from services.program.metering.work import current_work

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet


class ModelAway(Exception):  # noqa: N818 - what happened
    """The model does not answer, however often it was asked; it may later. The message is fit for the caller."""

    took: "Outcome | None" = None
    """What was paid all the same."""

    def __init__(self, message: str, error_class: str = "MODEL_UNAVAILABLE") -> None:
        super().__init__(message)
        self.error_class = error_class


class ModelRejected(Exception):  # noqa: N818 - what happened
    """The model refused the request; trying again will not help. The message is fit for the caller."""

    took: "Outcome | None" = None
    """What was paid all the same."""

    def __init__(self, message: str, error_class: str = "MODEL_REFUSED") -> None:
        super().__init__(message)
        self.error_class = error_class


@dataclass(frozen=True)
class Outcome:
    """What a program made of one input: outputs, or why there are none; and what it took.

    `error_class` is a name of the proto's ErrorClass without its prefix; `trace` is what metrics of its author read.
    """

    outputs: Mapping[str, Json] | None
    error: str = ""
    error_class: str = ""
    trace: Mapping[str, Json] | None = None
    latency_ms: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    unpriced: bool = False
    """Whether some model call has no known price, and is not in the cost."""
    estimated: bool = False
    """Whether nobody told what some model call took, and it stands in the cost at what was set aside for it."""

    @property
    def cost_incomplete(self) -> bool:
        """Whether the cost is not exact."""
        return self.unpriced or self.estimated

    def failed(self, error: str, error_class: str) -> "Outcome":
        """Returns the same without outputs: what it took is paid for all the same."""
        return replace(self, outputs=None, error=shown(error), error_class=error_class)

    def after(self, earlier: "Outcome | None") -> "Outcome":
        """Returns the same with what an earlier try took added: every try is paid for."""
        if earlier is None:
            return self
        return replace(
            self,
            latency_ms=self.latency_ms + earlier.latency_ms,
            input_tokens=self.input_tokens + earlier.input_tokens,
            output_tokens=self.output_tokens + earlier.output_tokens,
            cost_micros=self.cost_micros + earlier.cost_micros,
            unpriced=self.unpriced or earlier.unpriced,
            estimated=self.estimated or earlier.estimated,
        )


def failed_by(fault: "ModelAway | ModelRejected | CodeFault") -> Outcome:
    """Returns the outcome of a run that a fault ended, with what was paid until then."""
    return (getattr(fault, "took", None) or Outcome(None)).failed(str(fault), fault.error_class)


def shown(error: str) -> str:
    """Returns an error's words as they can be kept."""
    return error.replace("\x00", "\ufffd")[:1000]


def class_column(error_class: str) -> str:
    """Returns what a column holds for a class of failure, or for none."""
    return f"ERROR_CLASS_{error_class or 'UNSPECIFIED'}"


KEPT = 256
"""How many prepared programs a worker keeps."""
Run = Callable[[Mapping[str, Any], int], Awaitable[Outcome]]
"""Runs a prepared program on inputs with a seed; raises ModelAway or ModelRejected."""


class PrepareRunner(Protocol):
    """Makes a program ready to run."""

    async def __call__(
        self, program: program_pb2.Program, configuration: Mapping[str, Json], train: Sequence[Mapping[str, Any]]
    ) -> Run:
        """Returns what runs the program with this configuration, its demonstrations drawn from the examples."""


class Models:
    """The models of this process: which one is meant, where they live, one client for all calls."""

    def __init__(self, settings: ModelSettings, http: "Outlet", desk: Desk | None = None) -> None:
        self.settings = settings
        self.http = http
        self.desk = desk
        self._kept: dict[tuple[Any, ...], Run] = {}

    async def warm(self) -> None:
        """Imports and makes what running takes, so that the first caller does not wait for it.

        What is there then stays: the collector, which would look through all of it in the middle of somebody's work,
        need not.
        """
        await asyncio.to_thread(_runner_class)
        self.http.open()
        gc.collect()
        gc.freeze()

    async def prepare(
        self, program: program_pb2.Program, configuration: Mapping[str, Json], train: Sequence[Mapping[str, Any]]
    ) -> Run:
        """Returns what runs the program; where it draws on no examples it is kept, since executions come in numbers."""
        if train:
            return await self._prepared(program, configuration, train)
        key = _key(program, configuration)
        run = self._kept.pop(key, None) or await self._prepared(program, configuration, train)
        self._kept[key] = run  # the last to be forgotten
        if len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)), None)
        return run

    async def _prepared(
        self, program: program_pb2.Program, configuration: Mapping[str, Json], train: Sequence[Mapping[str, Any]]
    ) -> Run:
        """Returns what runs the program; mining rules takes a while, so it happens off the event loop."""
        fixed, others = tuned(program.signature_config, configuration)
        runner = await asyncio.to_thread(self._runner, program, _laid(program, others), train)
        # An example may have been written with another signature than the program has.
        read = shapes.reading_as(program.signature_config.inputs)

        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            return await _once(runner, read({**inputs, **fixed}), seed)

        return run

    async def prepare_with_tools(
        self,
        program: program_pb2.Program,
        configuration: Mapping[str, Json],
        train: Sequence[Mapping[str, Any]],
        tools: Sequence[Any],
    ) -> Run:
        """Returns what runs a program that uses tools, which are made ready for this very work."""
        fixed, others = tuned(program.signature_config, configuration)
        effective = _laid(program, others)
        signature = MessageToDict(program.signature_config, preserving_proto_field_name=True)
        iterations = program.program_config.react.max_iterations
        _runner_class()
        from services.program.lm.react import ReactRunner  # with DSPy

        made = ReactRunner(
            *(signature, effective, train, self.settings, self.http),
            desk=self.desk,
            tools=tools,
            iterations=iterations,
        )
        read = shapes.reading_as(program.signature_config.inputs)

        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            return await _once(made, read({**inputs, **fixed}), seed)

        return run

    def _runner(self, program: program_pb2.Program, effective: Parameters, train: Sequence[Mapping[str, Any]]) -> Any:
        signature = MessageToDict(program.signature_config, preserving_proto_field_name=True)
        if program.type == program_pb2.Program.TYPE_TEMPLATE:
            template = MessageToDict(program.program_config.template, preserving_proto_field_name=True)
            return _template_runner_class()(signature, template, effective, train, self.settings, self.http, self.desk)
        reasons = program.type == program_pb2.Program.TYPE_CHAIN_OF_THOUGHT
        return _runner_class()(signature, effective, train, self.settings, self.http, reasons=reasons, desk=self.desk)


def _key(program: program_pb2.Program, configuration: Mapping[str, Json]) -> tuple[Any, ...]:
    """Returns what a program that draws on no examples runs alike by."""
    parts = program.signature_config, program.program_config
    told = (part.SerializeToString(deterministic=True) for part in parts)
    return program.type, *told, canonical_json([dict(configuration), dict(_defaults())])


def _laid(program: program_pb2.Program, others: Mapping[str, Json]) -> Parameters:
    """Returns a configuration over the program's settings over what the work began with."""
    return parameters({**_defaults(), **settings_of(program)}, others)


def _defaults() -> Mapping[str, Json]:
    work = current_work()
    return work.defaults if work else {}


def _runner_class() -> Any:
    # DSPy's dependencies fetch a price list from the network unless they are told not to.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    from services.program.lm.runner import Runner  # with DSPy, once a program needs it

    return Runner


def _template_runner_class() -> Any:
    _runner_class()
    from services.program.lm.templates import TemplateRunner  # with DSPy

    return TemplateRunner


async def _once(runner: Any, inputs: Mapping[str, Any], seed: int) -> Outcome:
    try:
        said = await runner.run(inputs, seed=seed)
    except ModelUnavailable as fault:
        away = ModelAway(str(fault), fault.error_class)
        away.took = _outcome(None, fault.charged)
        raise away from fault
    except ModelRefused as fault:
        rejected = ModelRejected(str(fault), fault.error_class)
        rejected.took = _outcome(None, fault.charged)
        raise rejected from fault
    except ModelFault as fault:
        return _outcome(None, fault.charged).failed(str(fault), fault.error_class)
    return _outcome(said.outputs, said)


def _outcome(outputs: Mapping[str, Json] | None, took: Any) -> Outcome:
    """Returns an outcome with what it took; an answer that nobody can read is paid for, too."""
    names = ("latency_ms", "input_tokens", "output_tokens", "cost_micros", "unpriced", "estimated")
    return Outcome(outputs, **{name: getattr(took, name) for name in names if took is not None})
