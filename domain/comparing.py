"""Configurations side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.values import Json, is_same


class Absent:
    """What stands for the value of a variable that is inactive, since null is a value."""


ABSENT: Any = Absent()
_PLAIN = frozenset({str, int, float, bool})


@dataclass(frozen=True)
class Row:
    """One value of each configuration, such as that of `sampler.top_p`; ABSENT where a configuration has none."""

    path: str
    values: tuple[Json, ...]

    @property
    def is_equal(self) -> bool:
        """Whether all configurations have the same one, or none."""
        first, *others = self.values
        return all(
            (each is ABSENT) == (first is ABSENT) and (each is ABSENT or is_same(each, first)) for each in others
        )


def difference_count(one: Mapping[str, Json], other: Mapping[str, Json], most: int) -> int:
    """Return in how many values two configurations differ, as `compared` lists them; `most` where they are as many."""
    a, b = dict(_flat(one, "")), dict(_flat(other, ""))
    count = len(a.keys() ^ b.keys())
    for path in a.keys() & b.keys():
        if count >= most:
            return most
        count += not is_same(a[path], b[path])
    return min(count, most)


def compared(configurations: Sequence[Mapping[str, Json]]) -> list[Row]:
    """Return a row for each value that one of the configurations has, members of objects each by itself, by path."""
    flat = [dict(_flat(each, "")) for each in configurations]
    paths = {path for each in flat for path in each}
    return [Row(path, tuple(each.get(path, ABSENT) for each in flat)) for path in sorted(paths)]


def _flat(values: Mapping[str, Json], prefix: str) -> Iterator[tuple[str, Json]]:
    for name, value in values.items():
        if type(value) not in _PLAIN and isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
