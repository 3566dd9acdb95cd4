"""A scorer: one metric as an evaluation uses it, with what it was told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.metrics import Score
from domain.metrics.text import text_of
from domain.values import Json
from services.program.code.session import Session

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a metric makes of an example: scores by name, what it has to say, and what its own calls took.

    A metric that cannot say a score of this example has none for it, and says why.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    feedback_by_slot: Mapping[str, str] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    cost_incomplete: bool = False
    """Whether that cost is not exact."""


@dataclass(frozen=True)
class Answered:
    """An example and what a program answered: what is expected is what the program declares and the example has."""

    example: Row
    expected: Mapping[str, Json]
    outputs: Mapping[str, Json]
    trace: Mapping[str, Json] | None = None

    def within(self, fields: list[str] | None) -> "Answered":
        """Returns the same for some output fields only."""
        if fields is None:
            return self
        expected = {name: value for name, value in self.expected.items() if name in fields}
        outputs = {name: value for name, value in self.outputs.items() if name in fields}
        return Answered(self.example, expected, outputs, self.trace)


class Scorer(Protocol):
    """Scores answered examples by one metric."""

    name: str

    async def score(self, answered: Answered) -> Verdict:
        """Returns the verdict.

        Raises CodeFault when registered code breaks its promise, ModelAway and ModelRejected when a model does.
        """


class Plain:
    """A metric that is a function."""

    def __init__(self, name: str, function: Score, params: Mapping[str, Any]) -> None:
        self.name = name
        self._function = function
        self._params = params

    async def score(self, answered: Answered) -> Verdict:
        """Returns the function's value."""
        seen = answered.within(self._params.get("fields"))
        return Verdict({self.name: self._function(seen.expected, seen.outputs, self._params)})


class Registered:
    """A registered metric, which runs in its session."""

    def __init__(self, name: str, session: Session, params: Mapping[str, Json]) -> None:
        self.name = name
        self._session = session
        self._params = params

    async def score(self, answered: Answered) -> Verdict:
        """Returns what the code says."""
        given = {"inputs": answered.example["inputs"], "outputs": answered.example["outputs"]}
        predicted = {"outputs": answered.outputs}
        said = await self._session.score(self.name, given, predicted, answered.trace, self._params)
        return Verdict(said.scores, said.feedback, said.feedback_by_slot)


def scored_by(matches: Callable[[str], bool]) -> Score:
    """Returns a metric: the share of fields of which something holds, of all outputs where nothing is expected."""

    def score(expected: Mapping[str, Json], outputs: Mapping[str, Json], params: Mapping[str, Any]) -> float:
        names = list(expected) or list(outputs)
        found = [float(name in outputs and matches(text_of(outputs[name]))) for name in names]
        return sum(found) / len(found) if found else 0.0

    return score
