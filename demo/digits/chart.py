"""A Pareto front drawn with characters: every trial a dot, the front a staircase."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

Point = tuple[float, float]
"""Kilobytes, to the right on a logarithmic scale, and accuracy, upwards."""
Cell = tuple[int, int]
"""A column, counted from the left, and a row, counted from below."""

_WIDTH, _HEIGHT, _MARGIN = 62, 14, 6
_STYLES = {"●": "bold green", "·": "dim"}


@dataclass(frozen=True)
class Scale:
    """Where values lie on an axis of so many cells."""

    low: float
    high: float
    cells: int
    logarithmic: bool = False

    def cell(self, value: float) -> int:
        """Returns the cell of a value, counted from the low end."""
        low, high, at = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        return round((at - low) / (high - low) * (self.cells - 1))


def draw(trials: Sequence[Point], front: Sequence[Point]) -> Text:
    """Returns the chart; trials less accurate than the whole front are left out and counted below it."""
    steps = sorted(front)
    shown = [p for p in trials if p[1] >= steps[0][1] - 0.05]
    across, up = _scales([*shown, *steps])
    cells = {(across.cell(x), up.cell(y)): "·" for x, y in shown}
    cells |= _staircase([(across.cell(x), up.cell(y)) for x, y in steps])
    lines = [_row(row, cells, up) for row in reversed(range(_HEIGHT))]
    below = f"; {len(trials) - len(shown)} trials lie below" if len(shown) < len(trials) else ""
    text = Text("accuracy\n").append_text(Text("\n").join(lines))
    return text.append(
        f"\n{_x_axis(across)}\n{'kilobytes of learned arrays, logarithmic':>{_WIDTH + _MARGIN}}\n"
    ).append(f"{'':{_MARGIN}}● on the front  · dominated{below}", style="dim")


def _scales(points: Sequence[Point]) -> tuple[Scale, Scale]:
    sizes, scores = [x for x, _ in points], [y for _, y in points]
    across = Scale(min(sizes) / 1.2, max(sizes) * 1.2, _WIDTH, logarithmic=True)
    return across, Scale(max(0.0, min(scores) - 0.005), min(1.0, max(scores) + 0.005), _HEIGHT)


def _staircase(corners: Sequence[Cell]) -> dict[Cell, str]:
    """Returns the cells of a line that goes right, then up, from each point of the front to the next larger one."""
    cells: dict[Cell, str] = {}
    for (x, y), (right, top) in pairwise(corners):
        cells |= {(column, y): "─" for column in range(x + 1, right)}
        cells |= {(right, row): "│" for row in range(y + 1, top)}
        cells[right, y] = "┘"
    return cells | dict.fromkeys(corners, "●")


def _row(row: int, cells: dict[Cell, str], up: Scale) -> Text:
    value = up.low + (up.high - up.low) * row / (_HEIGHT - 1)
    line = Text(f"{value:5.3f} ┤" if row % 4 == 1 else f"{'':{_MARGIN}}│")
    for column in range(_WIDTH):
        mark = cells.get((column, row), " ")
        line.append(mark, style=_STYLES.get(mark, "green"))
    return line


def _x_axis(across: Scale) -> str:
    line, labels = ["─"] * _WIDTH, [" "] * (_WIDTH + 4)
    for value in _round_numbers(across.low, across.high):
        column, label = across.cell(value), f"{value:g}"
        if "".join(labels[column - 1 : column + len(label) + 1]).strip() == "":
            line[column] = "┬"
            labels[column : column + len(label)] = label
    return f"{'':{_MARGIN}}└{''.join(line)}\n{'':{_MARGIN + 1}}{''.join(labels).rstrip()}"


def _round_numbers(low: float, high: float) -> Iterator[float]:
    """Yields 1, 2 and 5 times the powers of ten between two numbers."""
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
        yield from (v for v in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if low <= v <= high)
