"""Prompt values: what the prompt variables of a space may be, kept in its pool for good."""

from typing import Any

from ashgrove.areas import VariablesArea
from ashgrove.collection import Listed
from ashgrove.values import to_struct
from ashgrove.variables.v1 import prompt_value_pb2

_Value = prompt_value_pb2.PromptValue


class Pools(Listed[_Value]):
    """The prompt values that the caller may see; `reference` is what configurations call one."""

    area, noun, plural = VariablesArea, "PromptValue", "prompt_values"

    def add_instruction(self, space_id: str, text: str) -> _Value:
        """Puts a text into a space's pool; one that is there already is returned as it is."""
        return self._added(space_id, _Value.KIND_INSTRUCTION, {"text": text})

    def add_demonstrations(
        self, space_id: str, dataset_id: str, dataset_revision: int, demonstrations: list[dict[str, Any]]
    ) -> _Value:
        """Puts demonstrations, each an example's `inputs` and `outputs`, into a space's pool."""
        source = {"dataset_id": dataset_id, "dataset_revision": dataset_revision, "split": "train"}
        return self._added(space_id, _Value.KIND_DEMO_SET, {**source, "demonstrations": demonstrations})

    def _added(self, space_id: str, kind: Any, content: dict[str, Any]) -> _Value:
        value = _Value(variable_space_id=space_id, kind=kind, content=to_struct(content))
        added: _Value = self._call("AddPromptValue", prompt_value=value)
        return added
