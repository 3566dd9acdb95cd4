"""Drawings of a report, as SVG within the page; colours are the style's: right in light and in dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.optimizer.reporting.elements import Html, tag
from services.optimizer.reporting.words import number

WIDTH, HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 30


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a drawing, with the class that its style goes by and what it says when pointed at."""

    x: float
    y: float
    kind: str
    title: str


def plot(dots: Sequence[Dot], line: Sequence[tuple[float, float]], across: str, up: str) -> Html:
    """Returns dots over a line of steps, with the names of the axes; nothing where nothing can be drawn."""
    dots = [each for each in dots if math.isfinite(each.x) and math.isfinite(each.y)]
    places = [*((each.x, each.y) for each in dots), *line]
    if not places:
        return Html("")
    scale = _Scale(places)
    drawn = [
        tag("circle", tag("title", each.title), class_=each.kind, r=4, cx=scale.x(each.x), cy=scale.y(each.y))
        for each in dots
    ]
    steps = [tag("path", d=scale.steps(line), class_="line")] if line else []
    return tag(
        "svg",
        *scale.axes(across, up),
        *steps,
        *drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"{up} by {across}",
    )


def interval(low: float, middle: float, high: float, widest: float) -> Html:
    """Returns an interval around 0 as a bar of one line, in shares of the widest end of all."""
    reach = widest or 1.0

    def place(value: float) -> float:
        return round(100 + 96 * max(min(value / reach, 1.0), -1.0), 1)

    side = "better" if low > 0 else "worse" if high < 0 else "open"
    bar = tag("rect", x=place(low), y=7, width=max(place(high) - place(low), 1.0), height=6, class_=f"bar {side}")
    zero = tag("line", x1=100, x2=100, y1=1, y2=19, class_="zero")
    dot = tag("circle", cx=place(middle), cy=10, r=4, class_=f"dot {side}")
    said = f"{number(low)} to {number(high)}"
    return tag("svg", zero, bar, dot, viewBox="0 0 200 20", class_="interval", role="img", aria_label=said)


def share(value: float) -> Html:
    """Returns a share of 1 as a bar of one line."""
    filled = tag("rect", x=0, y=6, width=round(200 * max(min(value, 1.0), 0.0), 1), height=8, class_="bar share")
    return tag(
        "svg",
        tag("rect", x=0, y=6, width=200, height=8, class_="groove"),
        filled,
        viewBox="0 0 200 20",
        class_="interval",
        role="img",
        aria_label=f"{value:.0%}",
    )


class _Scale:
    """Where values lie on the drawing."""

    def __init__(self, places: Sequence[tuple[float, float]]) -> None:
        self.low = tuple(min(place[axis] for place in places) for axis in (0, 1))
        self.high = tuple(max(place[axis] for place in places) for axis in (0, 1))

    def _share(self, axis: int, value: float) -> float:
        # Halves first: what is far apart is not beyond all numbers then.
        span = self.high[axis] / 2 - self.low[axis] / 2
        return (value / 2 - self.low[axis] / 2) / span if span else 0.5

    def x(self, value: float) -> float:
        return round(_LEFT + self._share(0, value) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - _BOTTOM - self._share(1, value) * (HEIGHT - _TOP - _BOTTOM), 1)

    def steps(self, line: Sequence[tuple[float, float]]) -> str:
        (first_x, first_y), *others = line
        return f"M{self.x(first_x)} {self.y(first_y)}" + "".join(f"H{self.x(x)}V{self.y(y)}" for x, y in others)

    def axes(self, across: str, up: str) -> list[Html]:
        right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
        drawn = [tag("path", d=f"M{_LEFT} {_TOP}V{bottom}H{right}", class_="axis")]
        for value, place in ((self.low[1], bottom), (self.high[1], _TOP + 8)):
            drawn.append(tag("text", number(value), x=_LEFT - 6, y=place, text_anchor="end"))
        for value, place, anchor in ((self.low[0], _LEFT, "start"), (self.high[0], right, "end")):
            drawn.append(tag("text", number(value), x=place, y=bottom + 16, text_anchor=anchor))
        drawn.append(tag("text", across, x=(_LEFT + right) / 2, y=bottom + 22, text_anchor="middle", class_="name"))
        middle = (_TOP + bottom) / 2
        turned = {"x": 12, "y": middle, "transform": f"rotate(-90 12 {middle})"}
        drawn.append(tag("text", up, text_anchor="middle", class_="name", **turned))
        return drawn
