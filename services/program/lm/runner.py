"""Runs one program with one configuration: DSPy's words over our engine, what is the same for every input made once."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import dspy
from dspy.utils.exceptions import AdapterParseError

from domain.signatures.field import fields_of
from domain.signatures.json_schema import without_nulls
from services.program.connectors.desk import Desk
from services.program.lm.chat import Chat
from services.program.lm.engine import Engine, Meter, ModelFault, ModelSettings, NoSyncEngine, OutputUnparsable, meter
from services.program.lm.parameters import Parameters
from services.program.lm.patience import Patience
from services.program.lm.prompt import Example, Prompts
from services.program.lm.signature import REASONING, chain_of_thought, dspy_signature, inner_name, input_name
from services.program.metering.work import meant_as
from services.program.schemas.checking import Checker
from services.program.schemas.models import plain

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet


T = TypeVar("T")


@dataclass(frozen=True)
class Prediction:
    """What a program made of one input, and what that took."""

    outputs: dict[str, Any]
    input_tokens: int
    output_tokens: int
    cost_micros: int
    latency_ms: float
    """Time in the model, queueing left out."""
    unpriced: bool = False
    """Whether some call has no known price, and is not in the cost."""
    estimated: bool = False
    """Whether nobody told what some call took, and it stands at what was set aside for it."""


@dataclass(frozen=True)
class Shape:
    """Which fields of an example a program is about; a chain of thought reasons before its outputs."""

    inputs: Sequence[str]
    outputs: Sequence[str]
    reasons: bool

    @property
    def given(self) -> list[str]:
        """The outputs of a run."""
        return [REASONING, *self._answers] if self.reasons else list(self.outputs)

    @property
    def _answers(self) -> list[str]:
        return [name for name in self.outputs if not (self.reasons and name == REASONING)]

    def asked(self, example: Example) -> Example:
        """Returns what an example asks and answers, without how it got there: reasoning is nobody's label."""
        inputs, outputs = example["inputs"], example["outputs"]
        return {
            "inputs": {name: inputs[name] for name in self.inputs if name in inputs},
            "outputs": {name: outputs[name] for name in self._answers if name in outputs},
        }

    def shown(self, example: Example) -> dict[str, Any]:
        """Returns a demonstration by DSPy's names; of one without reasoning DSPy says that it is not supplied."""
        asked = self.asked(example)
        values = {input_name(name): value for name, value in asked["inputs"].items()}
        values |= {inner_name(name): value for name, value in asked["outputs"].items()}
        reasoning = example["outputs"].get(REASONING) if self.reasons else None
        return values | ({REASONING: reasoning} if _says_something(reasoning) else {})


def _says_something(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


class Runner:
    """One program, ready to run: pinned signature, effective parameters, training examples.

    `http` is shared by all runners of a process. DSPy must not reach for prices in the network: set
    LITELLM_LOCAL_MODEL_COST_MAP before this module is imported.
    """

    def __init__(
        self,
        signature: Mapping[str, Any],
        parameters: Parameters,
        train: Sequence[Example],
        models: ModelSettings,
        http: "Outlet",
        *,
        reasons: bool = False,
        desk: Desk | None = None,
    ) -> None:
        self._shape = Shape(
            [f["name"] for f in signature["inputs"]], [f["name"] for f in signature["outputs"]], reasons
        )
        self._given = [(name, inner_name(name)) for name in self._shape.given]
        self._outputs = Checker(fields_of(signature["outputs"]))
        asked = self._shape.asked
        given = None if parameters.demonstrations is None else [each.example() for each in parameters.demonstrations]
        self._prompts = Prompts(
            [asked(each) for each in train], parameters, None if given is None else [asked(each) for each in given]
        )
        instructions = parameters.instructions or signature.get("instructions", "")
        made = dspy_signature(signature, "\n".join([instructions, *self._prompts.rules]).strip())
        shown = train if given is None else given
        self._demonstrations = [dspy.Example(**self._shape.shown(example)) for example in shown]
        self._parameters = parameters
        self._engine = engine_of(parameters, models, http, desk)
        self._made(made, reasons)

    def _made(self, signature: Any, reasons: bool) -> None:
        """Makes what asks."""
        asked = chain_of_thought(signature).predict.signature if reasons else signature
        self._chat = Chat(asked, self._demonstrations, self._parameters, self._engine)

    async def run(self, inputs: Mapping[str, Any], *, seed: int = 0, sample_index: int = 0) -> Prediction:
        """Runs the program once; raises a ModelFault when no usable answer came."""
        demonstrations = self._prompts.demonstrations(inputs)
        given = {input_name(name): value for name, value in inputs.items()}
        charged = Meter(seed, sample_index)
        token = meter.set(charged)
        try:
            with faults_charged(charged):
                outputs = await self._answered(demonstrations, given, charged)
        finally:
            meter.reset(token)
        return prediction(outputs, charged)

    async def _answered(
        self, demonstrations: Sequence[int], given: Mapping[str, Any], charged: Meter
    ) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            said = await self._asked(demonstrations, given)
            return self._judged({name: said[inner] for name, inner in self._given})

        return await readable(self._parameters.parse_attempts, charged, ask)

    async def _asked(self, demonstrations: Sequence[int], given: Mapping[str, Any]) -> Any:
        """Returns what was answered, by DSPy's names."""
        return await self._chat.ask(demonstrations, given)

    def _judged(self, said: dict[str, Any]) -> dict[str, Any]:
        """Returns the answer as plain values; raises OutputUnparsable for what breaks a constraint."""
        values = without_nulls(self._outputs.fields, {name: plain(each) for name, each in said.items()})
        more = {name: each for name, each in values.items() if name not in self._shape.outputs}
        checked = self._outputs.check({k: v for k, v in values.items() if k not in more}, "outputs", lenient=True)
        if checked.violations:
            told = "; ".join(f"{each.path} {each.message}" for each in checked.violations)
            raise OutputUnparsable(f"the model's answer does not fit the signature: {told}")
        return more | checked.values


async def readable(attempts: int, charged: Meter, ask: Callable[[], Awaitable[T]]) -> T:
    """Asks until an answer can be read, as often as it may be tried: each is another draw, and paid."""
    for attempt in range(attempts):
        try:
            with meant_as("RETRY" if attempt else ""):
                return await ask()
        except (AdapterParseError, OutputUnparsable, RecursionError):  # the last: too deep to be read
            if attempt == attempts - 1:
                raise
            charged.seed += 1
    raise AssertionError("it is asked at least once")


def prediction(outputs: dict[str, Any], charged: Meter) -> Prediction:
    """Returns what a program made of an input, with all that it took."""
    took = charged.input_tokens, charged.output_tokens, charged.cost_micros, charged.latency_ms
    return Prediction(outputs, *took, charged.unpriced, charged.estimated)


def engine_of(parameters: Parameters, models: ModelSettings, http: "Outlet", desk: Desk | None = None) -> Engine:
    """Returns our engine for the model that parameters name."""
    patience = Patience(parameters.model_attempts, parameters.retry_backoff_ms / 1000)
    model = parameters.model or models.default_model
    return Engine(model, models, http, desk, parameters.timeout_ms / 1000, patience)


def lm_of(parameters: Parameters, engine: Engine) -> Any:
    """Returns DSPy's handle on a model, over our engine."""
    model = engine.model
    return dspy.LM(
        model if "/" in model else f"remote/{model}",
        engine=NoSyncEngine(),
        async_engine=engine,
        cache=False,
        num_retries=0,
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        max_tokens=parameters.max_tokens,
    )


@contextmanager
def faults_charged(charged: Meter) -> Iterator[None]:
    """Raises our own fault out of what DSPy wrapped it in, with what it took all the same.

    Anything else is a fault of the program's running, and raised as it is. One that several wait for comes here once
    for each: it must not become its own cause.
    """
    try:
        yield
    except Exception as error:
        fault = fault_of(error)
        if isinstance(fault, ModelFault):
            fault.charged = charged
        if fault is error:
            raise
        raise fault from error


def fault_of(error: Exception) -> Exception:
    """Returns our own fault out of what DSPy wrapped it in; what is none of ours as it is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AdapterParseError | RecursionError):
            return OutputUnparsable("the model's answer does not have the shape of the signature")
        if isinstance(cause, ModelFault):
            return cause
        cause = cause.__cause__
    return error


__all__ = ["ModelFault", "Prediction", "Runner"]
