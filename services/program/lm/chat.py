"""Asks in DSPy's chat format: its own words for prompts and answers, without the layers that it wraps a call in.

What is the same for every call of a program - the system message, each demonstration, which fields there are - is made
once; a call formats its inputs, asks the engine, and has the answer read. A test holds this and DSPy's way together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy
from dspy.adapters.utils import format_field_value
from dspy.utils.exceptions import AdapterParseError

from services.program.lm.engine import Asked, Engine
from services.program.lm.parameters import Parameters


@dataclass(frozen=True)
class _Fields:
    """The fields of a signature: DSPy's classes make these anew whenever they are asked for them."""

    input_fields: Mapping[str, Any]
    output_fields: Mapping[str, Any]


class Chat:
    """One signature with its demonstrations, ready to be asked about."""

    def __init__(self, signature: Any, demonstrations: Sequence[Any], parameters: Parameters, engine: Engine) -> None:
        self._adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)  # a fallback is a second call, and is paid
        self._signature = signature
        self._fields = _Fields(dict(signature.input_fields), dict(signature.output_fields))
        self._system = {"role": "system", "content": self._adapter.format_system_message(signature)}
        self._wanted = self._adapter.user_message_output_requirements(signature)
        self._demonstrations = demonstrations
        self._turns: dict[int, list[dict[str, Any]]] = {}
        self._parameters = parameters
        self._engine = engine

    async def ask(self, demonstrations: Sequence[int], given: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the outputs of an answer, by DSPy's names; raises AdapterParseError for one that cannot be read."""
        its = self._parameters
        asked = Asked(self.messages(demonstrations, given), its.temperature, its.top_p, its.max_tokens)
        answer, _ = await self._engine.ask(asked)
        return self.read(answer.text)

    def messages(self, demonstrations: Sequence[int], given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the chat: what the program is, these demonstrations, and the inputs.

        Texts that DSPy would take for an image or another type of its own remain texts.
        """
        shown = [turn for index in demonstrations for turn in self._shown(index)]
        return [self._system, *shown, {"role": "user", "content": self._asking(given)}]

    def _asking(self, given: Mapping[str, Any]) -> str:
        fields = self._fields.input_fields.items()
        parts = [f"[[ ## {name} ## ]]\n{_text(field, given[name])}" for name, field in fields if name in given]
        return "\n\n".join([*parts, self._wanted]).strip()

    def read(self, text: str) -> dict[str, Any]:
        """Returns the outputs that an answer holds."""
        if not text:
            raise AdapterParseError("ChatAdapter", self._signature, text, message="the answer is empty")
        said: dict[str, Any] = self._adapter.parse(self._fields, text)
        return said

    def _shown(self, index: int) -> list[dict[str, Any]]:
        """Returns the turns of one demonstration: one by one they stay in their order, DSPy puts whole ones last."""
        if index not in self._turns:
            self._turns[index] = self._adapter.format_demos(self._signature, [self._demonstrations[index]])
        return self._turns[index]


def _text(field: Any, value: Any) -> str:
    # Of a text DSPy makes a type first, which takes longer than the rest of the message.
    return value if type(value) is str else str(format_field_value(field_info=field, value=value))
