"""Values of prompt variables: texts and demonstrations, known by the hash of what they say."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from domain.values import Invalid, Json, Violation, canonical_json, content_hash, normalise, refused, shown

PromptKind = Literal["instruction", "demo_set"]

UNCHANGED = "unchanged"
"""The value that stands for what the program says by itself."""

LONGEST = 100_000
"""How many characters an instruction may have, whatever its variable allows."""

MOST_DEMONSTRATIONS = 256
BYTES_OF_A_TOKEN = 4

_REFERENCE = re.compile(r"sha256:[0-9a-f]{64}")
_FIELDS = {
    "instruction": {"text"},
    "demo_set": {"dataset_id", "dataset_revision", "split", "demonstrations"},
}


def is_reference(value: Json) -> bool:
    """Tell whether a value is the name of a prompt value: `sha256:` and 64 hexadecimal digits."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def tokens(text: str) -> int:
    """Return how many tokens a text counts for: a token for each four bytes of UTF-8, begun ones whole.

    Each model counts differently; this rule is the same for all, so that a space means the same everywhere.
    """
    return -(-len(text.encode()) // BYTES_OF_A_TOKEN)


@dataclass(frozen=True)
class PromptValue:
    """An instruction (`{"text"}`) or a demo set (`{"dataset_id", "dataset_revision", "split", "demonstrations"}`)."""

    kind: PromptKind
    content: Mapping[str, Any]

    @classmethod
    def of(cls, kind: PromptKind, content: Json, path: str = "content") -> "PromptValue":
        """Return the value with its content normalised; raises Invalid with everything that is wrong with its form."""
        if not isinstance(content, Mapping):
            raise refused(path, f"must be an object, not {shown(content)}", "WRONG_TYPE")
        plain = normalise(content, path)
        known = _FIELDS[kind]
        faults = [Violation(f"{path}.{key}", "is not a known field", "UNKNOWN_NAME") for key in plain.keys() - known]
        faults += [Violation(f"{path}.{key}", "is required", "REQUIRED") for key in sorted(known - plain.keys())]
        faults += _text_faults(plain, path) if kind == "instruction" else _demonstration_faults(plain, path)
        if faults:
            raise Invalid(faults)
        return cls(kind, plain)

    @property
    def reference(self) -> str:
        """The name that configurations know it by: equal for equal content, and only for it."""
        return f"sha256:{content_hash({'kind': self.kind, 'content': dict(self.content)})}"

    @property
    def text(self) -> str:
        """The instruction itself."""
        return str(self.content["text"])

    @property
    def demonstrations(self) -> list[Any]:
        """The demonstrations, in the order in which they are shown."""
        return list(self.content["demonstrations"])

    @property
    def token_count(self) -> int:
        """How many tokens it counts for; demonstrations count as their RFC 8785 JSON."""
        return tokens(self.text if self.kind == "instruction" else canonical_json(self.demonstrations).decode())


def _text_faults(content: Mapping[str, Any], path: str) -> Iterator[Violation]:
    text = content.get("text", "-")  # what is missing is told already
    if not isinstance(text, str) or not 1 <= len(text) <= LONGEST:
        yield Violation(f"{path}.text", f"must be text of 1 to {LONGEST} characters", "OUT_OF_RANGE")


def _demonstration_faults(content: Mapping[str, Any], path: str) -> Iterator[Violation]:
    content = {"dataset_id": "", "dataset_revision": 1, "split": "train", "demonstrations": []} | dict(content)
    if not isinstance(content["dataset_id"], str):
        yield Violation(f"{path}.dataset_id", "must be the id of a dataset", "WRONG_TYPE")
    revision = content["dataset_revision"]
    if not isinstance(revision, int) or isinstance(revision, bool) or revision < 1:
        yield Violation(f"{path}.dataset_revision", "must be the number of a revision, from 1", "OUT_OF_RANGE")
    if content["split"] != "train":
        # What is shown to the model must not be what it is judged by.
        yield Violation(f"{path}.split", f"must be train, not {shown(content['split'])}", "NOT_A_CHOICE")
    shown_ones = content["demonstrations"]
    if not isinstance(shown_ones, list) or len(shown_ones) > MOST_DEMONSTRATIONS:
        message = f"must be a list of at most {MOST_DEMONSTRATIONS}"
        yield Violation(f"{path}.demonstrations", message, "OUT_OF_RANGE")
        return
    for index, each in enumerate(shown_ones):
        place = f"{path}.demonstrations[{index}]"
        if not isinstance(each, Mapping) or not {"inputs", "outputs"} <= each.keys() <= {
            "inputs",
            "outputs",
            "example_id",
        }:
            yield Violation(place, "must be an object of inputs, outputs and perhaps example_id", "WRONG_TYPE")
        elif not isinstance(each["inputs"], Mapping) or not isinstance(each["outputs"], Mapping):
            yield Violation(place, "must have objects for inputs and outputs", "WRONG_TYPE")
