"""Prompt variables: what a slot of a program says, chosen from an open domain of which only the rule is fixed.

A value is `unchanged`, what the program says by itself, or the reference of a value in a pool. A space knows no pool;
`Space.offering` gives it one to judge by and to draw from.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from domain.expressions.kinds import TEXT, Kind
from domain.prompt_values import LONGEST, MOST_DEMONSTRATIONS, UNCHANGED, PromptKind, PromptValue, is_reference
from domain.values import IDENTIFIER, LARGEST_INTEGER, Invalid, Json, Violation, refused, shown
from domain.variables import ChoiceVariable

Pool = Mapping[str, PromptValue]
"""Prompt values by reference."""

MOST_PARTS = 100
"""How many placeholders and how many segments an instruction may have."""

_PLACEHOLDER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True)
class PromptVariable(ChoiceVariable):
    """What is said at a slot, a stable name for one of a program's prompts.

    At most `token_limit` tokens of it, 0 for no limit; one that is not `mutable` stays what its default is.
    """

    kind: ClassVar[PromptKind]
    reads_as: ClassVar[Kind] = TEXT
    choices: tuple[Json, ...] = ()
    _: KW_ONLY
    slot: str = ""
    token_limit: int = 0
    mutable: bool = True
    pool: Pool | None = field(default=None, compare=False, repr=False)
    """What it may be, beside `unchanged`; None where that is not known: then only the form of values is judged."""

    def __post_init__(self) -> None:
        default = UNCHANGED if self.default is None else self.default
        fitting = [ref for ref, value in (self.pool or {}).items() if ref != default and not self.breaks(value)]
        others = [UNCHANGED] if default != UNCHANGED else []
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "choices", tuple([default, *others, *fitting] if self.mutable is True else [default]))
        object.__setattr__(self, "allow_custom", self.mutable is True)

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its rule, at paths below `path`."""
        if not isinstance(self.slot, str) or not IDENTIFIER.fullmatch(self.slot):
            yield Violation(f"{path}.slot", f"must be a lower-case name, not {shown(self.slot)}", "INVALID_NAME")
        if not _is_count(self.token_limit):
            yield Violation(f"{path}.token_limit", "must be a whole number, 0 for none", "OUT_OF_RANGE")
        if not isinstance(self.mutable, bool):
            yield Violation(f"{path}.mutable", f"must be true or false, not {shown(self.mutable)}", "WRONG_TYPE")

    def accept(self, value: Json, path: str) -> Json:
        """Return the value if it is `unchanged` or a reference, of the pool where there is one, that keeps the rule."""
        if value != UNCHANGED and not is_reference(value):
            raise refused(path, f"must be {UNCHANGED} or sha256:<64 digits>, not {shown(value)}", "NOT_A_CHOICE")
        if not self.mutable and value != self.default:
            raise refused(path, f"is frozen: must be {self.default}", "FROZEN")
        if value != UNCHANGED and self.pool is not None:
            if value not in self.pool:
                raise refused(path, f"is not in the pool: {value}", "UNKNOWN_REFERENCE")
            if broken := self.breaks(self.pool[value], path):
                raise Invalid(broken)
        return value

    def breaks(self, value: PromptValue, path: str = "value") -> list[Violation]:
        """Return what a value breaks of the rule."""
        if value.kind != self.kind:
            return [Violation(path, f"is of kind {value.kind}, not {self.kind}", "WRONG_TYPE")]
        count, limit = value.token_count, self.token_limit
        over = [Violation(path, f"has {count} tokens: at most {limit}", "TOO_LARGE")] if 0 < limit < count else []
        return [*over, *self._breaks(value, path)]

    def _breaks(self, value: PromptValue, path: str) -> Iterator[Violation]:
        raise NotImplementedError

    def offering(self, pool: Pool | None) -> "PromptVariable":
        """Return it with this pool."""
        return replace(self, pool=pool)

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        limit = {"token_limit": self.token_limit} if self.token_limit else {}
        return {"slot": self.slot, **limit, **({} if self.mutable else {"mutable": False})}


@dataclass(frozen=True)
class Segment:
    """A part of an instruction: one that is not `mutable` must stay, letter by letter."""

    text: str
    mutable: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {"text": self.text} | ({"mutable": True} if self.mutable else {})


@dataclass(frozen=True)
class InstructionVariable(PromptVariable):
    """What a slot tells the model: must hold every placeholder, as `{name}`, and the frozen segments in their order."""

    kind: ClassVar[PromptKind] = "instruction"
    placeholders: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()

    @cached_property
    def frozen(self) -> list[str]:
        """The segments that must stay."""
        return [each.text for each in self.segments if not each.mutable]

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its rule, at paths below `path`."""
        yield from super().faults(path)
        for name, parts in (("placeholders", self.placeholders), ("segments", self.segments)):
            if len(parts) > MOST_PARTS:
                yield Violation(f"{path}.{name}", f"must be at most {MOST_PARTS}, not {len(parts)}", "OUT_OF_RANGE")
        for index, name in enumerate(self.placeholders):
            if not isinstance(name, str) or not _PLACEHOLDER.fullmatch(name):
                message = f"must be a name without its braces, not {shown(name)}"
                yield Violation(f"{path}.placeholders[{index}]", message, "INVALID_NAME")
        for index, segment in enumerate(self.segments):
            if not isinstance(segment.text, str) or not 1 <= len(segment.text) <= LONGEST:
                message = f"must be text of 1 to {LONGEST} characters"
                yield Violation(f"{path}.segments[{index}].text", message, "OUT_OF_RANGE")
            if not isinstance(segment.mutable, bool):
                yield Violation(f"{path}.segments[{index}].mutable", "must be true or false", "WRONG_TYPE")

    def _breaks(self, value: PromptValue, path: str) -> Iterator[Violation]:
        for name in self.placeholders:
            if f"{{{name}}}" not in value.text:
                yield Violation(path, f"lacks the placeholder {{{name}}}", "PLACEHOLDER")
        place = 0
        for text in self.frozen:
            found = value.text.find(text, place)
            if found < 0:
                yield Violation(path, f"lacks the frozen segment {shown(text)}, or has it out of order", "FROZEN")
                return
            place = found + len(text)

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        named = {"placeholders": list(self.placeholders)} if self.placeholders else {}
        parts = {"segments": [each.to_json() for each in self.segments]} if self.segments else {}
        return {**super().domain(), **named, **parts}


@dataclass(frozen=True)
class DemoSetVariable(PromptVariable):
    """Which demonstrations a slot shows: at most `max_demonstrations`, from one revision of a dataset's training split.

    Demonstrations of an earlier revision are among those of a later one: datasets only grow.
    """

    kind: ClassVar[PromptKind] = "demo_set"
    dataset_id: str = ""
    dataset_revision: int = 0
    max_demonstrations: int = MOST_DEMONSTRATIONS

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its rule, at paths below `path`."""
        yield from super().faults(path)
        if not isinstance(self.dataset_id, str) or not self.dataset_id:
            yield Violation(f"{path}.dataset_id", "must be the id of a dataset", "REQUIRED")
        if not _is_count(self.dataset_revision) or self.dataset_revision < 1:
            yield Violation(f"{path}.dataset_revision", "must be the number of a revision, from 1", "OUT_OF_RANGE")
        if not _is_count(self.max_demonstrations) or not 1 <= self.max_demonstrations <= MOST_DEMONSTRATIONS:
            message = f"must be a whole number from 1 to {MOST_DEMONSTRATIONS}"
            yield Violation(f"{path}.max_demonstrations", message, "OUT_OF_RANGE")

    def _breaks(self, value: PromptValue, path: str) -> Iterator[Violation]:
        if value.content["dataset_id"] != self.dataset_id:
            yield Violation(path, f"is of another dataset than {self.dataset_id}", "INCOMPATIBLE")
        elif value.content["dataset_revision"] > self.dataset_revision:
            yield Violation(path, f"is of a later revision than {self.dataset_revision}", "INCOMPATIBLE")
        if (count := len(value.demonstrations)) > self.max_demonstrations:
            message = f"has {count} demonstrations: at most {self.max_demonstrations}"
            yield Violation(path, message, "OUT_OF_RANGE")

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        source = {"dataset_id": self.dataset_id, "dataset_revision": self.dataset_revision}
        return {**super().domain(), **source, "max_demonstrations": self.max_demonstrations}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_INTEGER
