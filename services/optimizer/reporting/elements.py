"""HTML by construction: whatever is put into an element is escaped unless it is an element itself."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

NOTHING = "\N{EN DASH}"
"""What stands where there is no value."""
_VOID = {"meta"}


class Html(str):
    """HTML that is meant as such."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """Returns an element; attributes that are None are left out, an underscore in a name stands for a dash."""
    said = "".join(f' {_dashed(key)}="{escape(str(value))}"' for key, value in attributes.items() if value is not None)
    return Html(f"<{name}{said}>" if name in _VOID else f"<{name}{said}>{together(children)}</{name}>")


def together(children: Any) -> Html:
    """Returns what stands one after the other: elements as they are, all else as text."""
    if isinstance(children, Html):
        return children
    if isinstance(children, str | int | float):
        return Html(escape(str(children)))
    return Html("".join(together(each) for each in children))


def table(heads: Sequence[Any], rows: Iterable[Sequence[Any]], **attributes: Any) -> Html:
    """Returns a table of heads and rows; what begins as a number does stands at the right, and its head with it."""
    rows = list(rows)
    sides = [_side(each) for each in rows[0]] if rows else []
    sides += [None] * (len(heads) - len(sides))
    named = [tag("th", each, scope="col", class_=side) for each, side in zip(heads, sides, strict=False)]
    head = tag("thead", tag("tr", named))
    body = tag("tbody", [tag("tr", [_cell(each) for each in row]) for row in rows])
    return tag("div", tag("table", head, body, **attributes), class_="wide")


def _cell(content: Any) -> Html:
    if isinstance(content, Html) and content.startswith("<td"):
        return content
    return tag("td", content, class_=_side(content))


def _side(content: Any) -> str | None:
    is_number = not isinstance(content, Html) and str(content).lstrip("-")[:1].isdigit()
    return "number" if is_number else None


def _dashed(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
