"""What metrics can be told beside an example, and what is wrong with what they are told."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from domain.values import Json, is_finite

Kind: TypeAlias = Literal["text", "number", "texts", "pairs"]
_WORDS: Mapping[Kind, str] = {
    "text": "a text",
    "number": "a finite number",
    "texts": "a list of texts",
    "pairs": "pairs of finite numbers, such as [[1, 0], [5, 1]], each first number greater than the one before",
}


@dataclass(frozen=True, slots=True)
class Param:
    """Something a metric can be told: its name, kind and bounds."""

    name: str
    kind: Kind
    description: str
    required: bool = False
    low: float | None = None
    longest: int = 20_000

    def fault(self, value: Json) -> str:
        """Returns what a value must be and is not; nothing when it fits."""
        if not _fits(self.kind, value):
            return f"must be {_WORDS[self.kind]}"
        if self.kind == "number" and self.low is not None and value < self.low:
            return f"must be at least {self.low:g}"
        if self.kind == "text" and not 0 < len(value) <= self.longest:
            return f"must have 1 to {self.longest} characters"
        return ""


_ALONE, _REASONED = ("regex", "lm_judge"), ("reasoning",)
"""What looks at answers also where nothing is expected, and what programs that think answer with besides."""
FIELDS = Param("fields", "texts", "The output fields to look at; all that the example has when absent.")


def faults(params: Sequence[Param], told: Json) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with what a metric is told: the name, empty for the whole, and a sentence."""
    if not isinstance(told, Mapping):
        yield "", "must be an object of the metric's parameters"
        return
    known = {param.name: param for param in params}
    for name in told.keys() - known.keys():
        yield str(name)[:80], f"is nothing that it can be told; there are {', '.join(known) or 'none'}"
    for name, param in known.items():
        if name in told:
            if message := param.fault(told[name]):
                yield name, message
        elif param.required:
            yield name, f"is missing; it must be {_WORDS[param.kind]}"


def unanswered(metric: str, told: Mapping[str, Any], outputs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields the fields that a metric is told to look at and a program does not answer with: the place, and a sentence.

    Nothing would be expected of them, and whatever was answered would match.
    """
    seen = {*outputs, *(_REASONED if metric in _ALONE else ())}
    for index, field in enumerate(told.get("fields", [])):
        if field not in seen:
            yield f"fields[{index}]", f"{field[:80]} is no output of the program; there are {', '.join(outputs)}"


def _fits(kind: Kind, value: Any) -> bool:
    if kind == "text":
        return isinstance(value, str)
    if kind == "number":
        return is_finite(value)
    if kind == "texts":
        return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)
    return _is_pairs(value)


def _is_pairs(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    if not all(isinstance(pair, list) and len(pair) == 2 and all(map(is_finite, pair)) for pair in value):
        return False
    return all(one[0] < other[0] for one, other in pairwise(value))
