"""Runs one program with one configuration: DSPy's Predict over our engine, prompt parts formatted once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy
import httpx
from dspy.utils.exceptions import AdapterParseError

from services.program.lm.engine import Engine, Meter, ModelFault, ModelSettings, NoSyncEngine, OutputUnparsable, meter
from services.program.lm.parameters import Parameters
from services.program.lm.prompt import Example, Prompts
from services.program.lm.signature import dspy_signature, inner_name


@dataclass(frozen=True)
class Prediction:
    """What a program made of one input, and what that took."""

    outputs: dict[str, Any]
    input_tokens: int
    output_tokens: int
    cost_micros: int
    latency_ms: float
    """Time in the model, retries and queueing left out."""


class _Adapter(dspy.ChatAdapter):  # type: ignore[misc] # DSPy has no types
    """DSPy's chat format, with the system message and every demonstration formatted once instead of per call."""

    def __init__(self) -> None:
        super().__init__(use_json_adapter_fallback=False)  # a fallback is a second call that somebody pays
        self._system = ""
        self._turns: dict[int, list[dict[str, Any]]] = {}

    def format_system_message(self, signature: Any) -> str:
        """Returns the system message."""
        self._system = self._system or super().format_system_message(signature)
        return self._system

    def format_demos(self, signature: Any, demos: Any) -> list[dict[str, Any]]:
        """Returns the demonstrations' turns."""
        turns: list[dict[str, Any]] = []
        for demo in demos:
            if id(demo) not in self._turns:
                self._turns[id(demo)] = super().format_demos(signature, [demo])
            turns += self._turns[id(demo)]
        return turns


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
        http: httpx.AsyncClient,
    ) -> None:
        self._prompts = Prompts(train, parameters)
        instructions = parameters.instructions or signature.get("instructions", "")
        self._signature = dspy_signature(signature, "\n".join([instructions, *self._prompts.rules]).strip())
        self._outputs = [f["name"] for f in signature["outputs"]]
        self._demonstrations = [dspy.Example(**_inner(e["inputs"]), **_inner(e["outputs"])) for e in train]
        self._adapter = _Adapter()
        model = parameters.model or models.default_model
        self._lm = dspy.LM(
            model if "/" in model else f"remote/{model}",
            engine=NoSyncEngine(),
            async_engine=Engine(model, models, http),
            cache=False,
            num_retries=0,
            temperature=parameters.temperature,
            top_p=parameters.top_p,
            max_tokens=parameters.max_tokens,
        )

    async def run(self, inputs: Mapping[str, Any], *, seed: int = 0, sample_index: int = 0) -> Prediction:
        """Runs the program once; raises a ModelFault when no usable answer came."""
        predict = dspy.Predict(self._signature)
        predict.demos = [self._demonstrations[i] for i in self._prompts.demonstrations(inputs)]
        charged = Meter(seed, sample_index)
        token = meter.set(charged)
        try:
            with dspy.context(lm=self._lm, adapter=self._adapter, disable_history=True, track_usage=False):
                said = await predict.acall(**_inner(inputs))
        except Exception as error:
            raise _fault(error) from error
        finally:
            meter.reset(token)
        outputs = {name: said[inner_name(name)] for name in self._outputs}
        return Prediction(outputs, charged.input_tokens, charged.output_tokens, charged.cost_micros, charged.latency_ms)


def _inner(values: Mapping[str, Any]) -> dict[str, Any]:
    return {inner_name(name): value for name, value in values.items()}


def _fault(error: Exception) -> Exception:
    """Returns our own fault out of what DSPy wrapped it in; anything else is a fault of the program's running."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModelFault):
            return cause
        if isinstance(cause, AdapterParseError):
            return OutputUnparsable("the model's answer does not have the shape of the signature")
        cause = cause.__cause__
    return error


__all__ = ["ModelFault", "Prediction", "Runner"]
