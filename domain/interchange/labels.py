"""Choices under other names, where a library cannot tell 1, true and "1" apart, or knows texts only."""

import json
from collections.abc import Callable, Sequence

from domain.values import Invalid, Json, canonical_json, normalise

CODED = "json:"
"""What a label begins with that is a value's JSON."""

Native = Callable[[Sequence[Json]], bool]


def are_texts(choices: Sequence[Json]) -> bool:
    """Tell whether all choices are texts that need no code."""
    return all(isinstance(each, str) and not each.startswith(CODED) for each in choices)


def are_of_one_type(choices: Sequence[Json]) -> bool:
    """Tell whether all choices are such texts, or all booleans, or all numbers."""
    return (
        are_texts(choices)
        or all(isinstance(each, bool) for each in choices)
        or all(isinstance(each, int | float) and not isinstance(each, bool) for each in choices)
    )


def labels(choices: Sequence[Json], native: Native) -> list[Json]:
    """Return the choices as they are where the library tells them apart, else the JSON of each behind `json:`."""
    if native(choices):
        return list(choices)
    return [CODED + canonical_json(each).decode() for each in choices]


def choices_of(labelled: Sequence[Json]) -> list[Json]:
    """Return what labels stand for; raises ValueError for a code that is no JSON."""
    if labelled and all(isinstance(each, str) and each.startswith(CODED) for each in labelled):
        try:
            return [normalise(json.loads(each.removeprefix(CODED))) for each in labelled]
        except (RecursionError, Invalid) as fault:  # NaN and its like are none of JSON's
            raise ValueError("a label's code is no JSON") from fault
    return [normalise(each) for each in labelled]
