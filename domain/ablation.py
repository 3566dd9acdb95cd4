"""A configuration with one variable at a time set back to a baseline, all others as they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from domain.space import Space
from domain.values import Invalid, Json, is_same

_MENDED = ("INACTIVE", "COMPUTED")


@dataclass(frozen=True)
class SetBack:
    """One variable with its baseline's value, and the whole configuration; or why there is none."""

    variable: str
    values: dict[str, Json] = field(default_factory=dict)
    error: str = ""


def set_back(space: Space, best: Mapping[str, Json], baseline: Mapping[str, Json]) -> Iterator[SetBack]:
    """Yield the best with each variable set back that both have and that differs, in the space's order.

    Variables that a change switches on are as in the baseline, those that it switches off are absent; they have no turn
    of their own, like computed ones.
    """
    for name in space.names:
        both = name in best and name in baseline and name not in space.rules.derived
        if both and not is_same(best[name], baseline[name]):
            yield _set_back(space, name, {**baseline, **best, name: baseline[name]})


def _set_back(space: Space, variable: str, values: Mapping[str, Json]) -> SetBack:
    left = dict(values)
    while True:
        try:
            return SetBack(variable, space.validate(left))
        except Invalid as invalid:
            gone = {each.path.removeprefix("values.") for each in invalid.violations if each.code in _MENDED}
            if not gone & left.keys():
                return SetBack(variable, error=f"cannot be set back alone: {invalid.violations[0].message}")
            left = {name: value for name, value in left.items() if name not in gone}
