"""Strategies that others have written: found by their entry points, held to what every strategy promises."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from domain.strategies.strategy import Question, Strategy
from domain.values import Invalid, Json

GROUP = "ashgrove.strategies"


def registered() -> dict[str, EntryPoint]:
    """Return the strategies that are installed beside this process, by name; nothing of theirs is imported."""
    return {each.name: each for each in entry_points(group=GROUP)}


@dataclass(frozen=True)
class RegisteredStrategy:
    """A registered strategy, imported when it is first asked, whose answers are looked at."""

    learns: ClassVar[bool] = True

    name: str
    options: Mapping[str, Any]

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return what it suggests; raises ValueError when that is no configuration of the space, and what it raises."""
        values = self._strategy().suggest(question)
        try:
            question.space.validate(without_computed(question, values))
        except Invalid as invalid:
            first = invalid.violations[0]
            raise ValueError(f"the strategy {self.name} suggests what is not in the space: {first}") from invalid
        return dict(values)

    def _strategy(self) -> Strategy:
        made: Strategy = registered()[self.name].load()(**self.options)
        return made


def without_computed(question: Question, values: Mapping[str, Json]) -> dict[str, Json]:
    """Return the values that a caller may give: computed ones follow from them."""
    computed = {each.name for each in question.space.variables if each.kind == "computed"}
    return {name: value for name, value in values.items() if name not in computed}
