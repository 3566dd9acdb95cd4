"""Demonstrations for a slot: drawn from what a program has answered well, and from examples as they are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

from domain.prompt_values import PromptValue
from domain.prompt_variables import DemoSetVariable
from domain.seeds import Draw
from domain.values import Json

MOST_SETS = 256
"""How many sets of demonstrations are drawn for one run at most."""
Demonstration = Mapping[str, Any]
"""`{"inputs", "outputs", "example_id"}`."""
T = TypeVar("T")


def teaching(labeled: Sequence[Demonstration], seed: int, most: int) -> list[Demonstration]:
    """Return examples to show while others are answered: half of them at most, since none may teach itself."""
    return _sample(labeled, min(most, len(labeled) // 2), Draw(seed, "teaching"))


def demonstration_sets(
    traces: Sequence[Demonstration], labeled: Sequence[Demonstration], seed: int, most: int, bootstrapped: int
) -> Iterator[list[Demonstration]]:
    """Yield sets of up to `most` demonstrations for ever, the same ones from the same seed; none of nothing.

    The first has examples as they are alone, the second the first traces; each other one a random number of the
    traces, up to `bootstrapped`, in random order. Examples as they are fill up what traces leave.
    """
    if labeled:
        yield _filled([], labeled, most, Draw(seed, "demonstrations", 0))
    if traces:
        yield _filled(traces[:bootstrapped], labeled, most, Draw(seed, "demonstrations", 1))
    for number in count(2) if traces or labeled else ():
        source = Draw(seed, "demonstrations", number)
        chosen = _sample(traces, 1 + source.below(min(bootstrapped, len(traces))), source) if traces else []
        # Without traces there are examples alone, and so it is their number that differs.
        yield _filled(chosen, labeled, most if traces else 1 + source.below(most), source)


def fitting_values(
    variables: Sequence[DemoSetVariable], drawn: Iterable[Sequence[Demonstration]], origin: Mapping[str, Json]
) -> Iterator[PromptValue]:
    """Yield sets as prompt values of the origin, each once, and such that one of the variables takes it.

    A set that breaks the rules of all of them is shown without as many of its last demonstrations as that takes.
    """
    seen = set[str]()
    for shown in drawn:
        value = _fitting(variables, shown, origin)
        if value is not None and value.reference not in seen:
            seen.add(value.reference)
            yield value


def _fitting(
    variables: Sequence[DemoSetVariable], shown: Sequence[Demonstration], origin: Mapping[str, Json]
) -> PromptValue | None:
    found, least, most = None, 1, len(shown)
    size = most  # which mostly fits; else what is left is halved, since each demonstration less breaks no rule more
    while least <= most:
        value = PromptValue.of("demo_set", {**origin, "demonstrations": [dict(each) for each in shown[:size]]})
        if any(not each.breaks(value) for each in variables):
            found, least = value, size + 1
        else:
            most = size - 1
        size = (least + most + 1) // 2
    return found


def _filled(
    chosen: Sequence[Demonstration], labeled: Sequence[Demonstration], most: int, source: Draw
) -> list[Demonstration]:
    kept = list(chosen[:most])
    shown = {each["example_id"] for each in kept}
    others = [each for each in labeled if each["example_id"] not in shown]
    return [*kept, *_sample(others, min(most - len(kept), len(others)), source)]


def _sample(things: Sequence[T], size: int, source: Draw) -> list[T]:
    """Return so many of them, each once, in random order."""
    left = list(things)
    for at in range(size):
        other = at + source.below(len(left) - at)
        left[at], left[other] = left[other], left[at]
    return left[:size]
