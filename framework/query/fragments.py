"""SQL as pieces: text, columns and parameters side by side, compiled far faster than a tree of expressions."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.type_api import TypeEngine

Pieces = tuple[str | ColumnElement[Any], ...]
_TEXT = Text()
_BOOLEAN = Boolean()


class Fragment(ColumnElement[Any]):
    """An expression made of pieces, always in parentheses of its own."""

    inherit_cache = False

    def __init__(self, *pieces: str | ColumnElement[Any], type_: TypeEngine[Any] = _BOOLEAN) -> None:
        self.pieces = pieces
        self.type = type_


@compiles(Fragment)
def _rendered(fragment: Fragment, compiler: Any, **how: Any) -> str:
    return f"({''.join(p if isinstance(p, str) else compiler.process(p, **how) for p in fragment.pieces)})"


class Once(ColumnElement[Any]):
    """An expression that is compiled once for a statement, however often it stands in it."""

    inherit_cache = False

    def __init__(self, inner: ColumnElement[Any]) -> None:
        self.inner = inner
        self.type = inner.type


@compiles(Once)
def _remembered(once: Once, compiler: Any, **how: Any) -> str:
    made: dict[int, str] = compiler.__dict__.setdefault("compiled_once", {})
    if id(once) not in made:
        made[id(once)] = compiler.process(once.inner, **how)
    return made[id(once)]


def text(value: str) -> ColumnElement[str]:
    """Returns a text parameter; whatever a user wrote reaches SQL as one of these."""
    return literal(value, _TEXT)
