"""Pipelines: steps that are bound to each other's outputs, judged before anything runs, and in which order they may."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from domain.signatures.compatibility import misfits
from domain.signatures.field import Field
from domain.signatures.kinds import WORDS
from domain.values import Violation, some_of

INPUTS = "inputs"
"""What the pipeline's own inputs are called among the sources."""


@dataclass(frozen=True)
class Bound:
    """A field and its source: `step.field`, or the empty text where a value is given."""

    field: str
    source: str = ""

    @property
    def step(self) -> str:
        """The step that it comes from, the pipeline's inputs, or the empty text."""
        return self.source.partition(".")[0]

    @property
    def its_field(self) -> str:
        """The field of that step."""
        return self.source.partition(".")[2]


@dataclass(frozen=True)
class Step:
    """A step: what it is bound to, what it takes - None for whatever is bound - and what it gives."""

    name: str
    bindings: tuple[Bound, ...]
    takes: tuple[Field, ...] | None
    gives: tuple[Field, ...]

    @property
    def needs(self) -> frozenset[str]:
        """The steps that must have ended before."""
        return frozenset(each.step for each in self.bindings if each.step not in ("", INPUTS))


@dataclass(frozen=True)
class Pipeline:
    """Steps, what goes into the whole, and what comes out of it."""

    steps: tuple[Step, ...]
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    results: tuple[Bound, ...]

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield everything that is wrong with it: names, circles, bindings that are missing or do not fit."""
        counts = Counter(step.name for step in self.steps)
        for index, step in enumerate(self.steps):
            place = f"{path}.steps[{index}]"
            if counts[step.name] > 1 or step.name == INPUTS:
                message = "is what the pipeline's inputs are called" if step.name == INPUTS else "is there twice"
                yield Violation(f"{place}.name", f"{step.name} {message}", "DUPLICATE_NAME")
            yield from self._binding_faults(step.bindings, step.takes, f"{place}.inputs", step.name)
        yield from self._binding_faults(self.results, self.outputs, f"{path}.outputs", "the program")
        if circle := self._circle():
            message = f"depend on each other in a circle: {' → '.join([*circle, circle[0]])}"
            yield Violation(f"{path}.steps", message, "CYCLE")

    def _binding_faults(
        self, bindings: Sequence[Bound], takes: Sequence[Field] | None, path: str, whose: str
    ) -> Iterator[Violation]:
        counts = Counter(each.field for each in bindings)
        there = {each.name: each for each in takes or ()}
        for index, each in enumerate(bindings):
            place = f"{path}[{index}]"
            if counts[each.field] > 1:
                yield Violation(f"{place}.field", f"{each.field} is bound twice", "DUPLICATE_NAME")
            if takes is not None and each.field not in there:
                message = f"{whose} has no field {each.field}; there are {some_of(there)}"
                yield Violation(f"{place}.field", message, "UNKNOWN_NAME")
            elif each.source:
                yield from self._source_faults(each, there.get(each.field), f"{place}.from")
        for name in there.keys() - counts.keys():
            if not there[name].may_be_left_out:
                yield Violation(path, f"{name} of {whose} is bound to nothing", "REQUIRED")

    def _source_faults(self, bound: Bound, field: Field | None, path: str) -> Iterator[Violation]:
        sources = self.sources
        if bound.step not in sources:
            message = f"there is no step {bound.step}; there are {some_of(sources)}"
            yield Violation(path, message, "UNKNOWN_NAME")
        elif bound.its_field not in sources[bound.step]:
            message = f"{bound.step} gives no {bound.its_field}; it gives {some_of(sources[bound.step])}"
            yield Violation(path, message, "UNKNOWN_NAME")
        elif field is not None:
            given = sources[bound.step][bound.its_field]
            if any(each.of_type for each in misfits(field, given, field.name)):
                message = f"{bound.source} is {WORDS[given.kind]}; needed is {WORDS[field.kind]}"
                yield Violation(path, message, "WRONG_TYPE")

    @cached_property
    def sources(self) -> dict[str, dict[str, Field]]:
        """What can be bound to: each step's outputs, and the pipeline's inputs."""
        found = {step.name: {each.name: each for each in step.gives} for step in self.steps}
        return {INPUTS: {}} | found | {INPUTS: {each.name: each for each in self.inputs}}

    def _circle(self) -> list[str]:
        """Return the names of steps that wait for each other, each for the next; empty when there are none."""
        needs: Mapping[str, frozenset[str]] = {step.name: step.needs for step in self.steps}
        waiting = set(needs)
        while ready := {name for name in waiting if not needs[name] & waiting}:
            waiting -= ready
        if not waiting:
            return []
        way = [min(waiting)]
        while (after := min(needs[way[-1]] & waiting)) not in way:
            way.append(after)
        return way[way.index(after) :]
