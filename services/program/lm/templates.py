"""Runs one template with one configuration: plain chat messages over our engine, without DSPy's formats."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain.signatures.field import fields_of
from domain.templates import INSTRUCTIONS, rendered
from services.program.connectors.desk import Desk
from services.program.lm.answers import answer_of, answered
from services.program.lm.engine import Asked, Meter, ModelSettings, meter
from services.program.lm.parameters import Parameters
from services.program.lm.prompt import Example, Prompts
from services.program.lm.runner import Prediction, Shape, engine_of, faults_charged, prediction, readable
from services.program.schemas.checking import Checker

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet


_ROLES = {"ROLE_SYSTEM": "system", "ROLE_USER": "user", "ROLE_ASSISTANT": "assistant"}


class TemplateRunner:
    """One template, ready to run: messages, effective parameters, training examples."""

    def __init__(
        self,
        signature: Mapping[str, Any],
        template: Mapping[str, Any],
        parameters: Parameters,
        train: Sequence[Example],
        models: ModelSettings,
        http: "Outlet",
        desk: Desk | None = None,
    ) -> None:
        self._parameters = parameters
        fields = fields_of(signature["outputs"])
        self._outputs = Checker(fields)
        shape = Shape([f["name"] for f in signature["inputs"]], [f.name for f in fields], reasons=False)
        given = None if parameters.demonstrations is None else [each.example() for each in parameters.demonstrations]
        self._shown = [shape.asked(each) for each in (train if given is None else given)]
        self._prompts = Prompts([shape.asked(each) for each in train], parameters, given and self._shown)
        instructions = parameters.instructions or signature.get("instructions", "")
        self._instructions = "\n".join([instructions, *self._prompts.rules]).strip()
        *self._before, self._last = template["messages"]
        self._engine = engine_of(parameters, models, http, desk)

    async def run(self, inputs: Mapping[str, Any], *, seed: int = 0, sample_index: int = 0) -> Prediction:
        """Runs the program once; raises a ModelFault when no usable answer came."""
        charged = Meter(seed, sample_index)
        token = meter.set(charged)
        try:
            with faults_charged(charged):
                outputs = await readable(self._parameters.parse_attempts, charged, lambda: self._answered(inputs))
        finally:
            meter.reset(token)
        return prediction(outputs, charged)

    async def _answered(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        its = self._parameters
        answer, _ = await self._engine.ask(Asked(self.messages(inputs), its.temperature, its.top_p, its.max_tokens))
        return answer_of(answer.text, self._outputs)

    def messages(self, inputs: Mapping[str, Any]) -> list[dict[str, str]]:
        """Returns the chat: the messages with these inputs, what is shown before the last of them."""
        shown = [self._shown[i] for i in self._prompts.demonstrations(inputs)]
        turns = [self._said(each, inputs) for each in self._before]
        for each in shown:
            turns.append(self._said(self._last, each["inputs"]))
            turns.append({"role": "assistant", "content": answered(each["outputs"], self._outputs.fields)})
        return [*turns, self._said(self._last, inputs)]

    def _said(self, message: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, str]:
        text = rendered(message["content"], {**values, INSTRUCTIONS: self._instructions})
        return {"role": _ROLES[message["role"]], "content": text}
