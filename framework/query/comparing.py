"""One comparison of a typed column with a value, as SQL; null is equal to nothing and greater than nothing."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, literal, null, true

from framework.query import literals
from framework.query.fragments import Fragment, text
from framework.query.grammar import Restriction, refused
from framework.resource import Kind
from framework.resource.fields import Field

OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda c, v: c == v,
    ":": lambda c, v: c == v,
    "<": lambda c, v: c < v,
    "<=": lambda c, v: c <= v,
    ">": lambda c, v: c > v,
    ">=": lambda c, v: c >= v,
}
_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.UUID: literals.uuid,
    Kind.TEXT: str,
    Kind.INTEGER: literals.integer(32),
    Kind.BIGINT: literals.integer(64),
    Kind.DOUBLE: literals.double,
    Kind.BOOLEAN: literals.boolean,
}
ZEROS: dict[Kind, Any] = {
    Kind.TEXT: "",
    Kind.INTEGER: 0,
    Kind.BIGINT: 0,
    Kind.DOUBLE: 0.0,
    Kind.BOOLEAN: False,
}


def column_clause(field: Field, column: ColumnElement[Any], asked: Restriction) -> ColumnElement[bool]:
    """Returns the clause of a comparison with a whole column, `!=` being the caller's negation of `=`."""
    value = asked.value
    if value.star:
        return _present(field, column, asked)
    if value.null:
        if not field.nullable:
            raise refused(value.at, f"{field.name} is never null; quote the word, or ask {field.name}:*")
        equality_only(asked, "null")
        return column.is_(null())
    if field.kind is Kind.TIMESTAMP:
        moment = literals.moment(value)
        wanted = moment if isinstance(moment, ColumnElement) else literal(moment, column.type)
        return OPERATORS[asked.comparator](column, wanted)
    read = literals.of_kind(*_reader(field, asked))
    if field.kind is Kind.TEXT and asked.comparator == ":":
        return _contains(column, read)
    return OPERATORS[asked.comparator](column, literal(read, column.type))


def _reader(field: Field, asked: Restriction) -> tuple[Callable[[str], Any], Any, str]:
    if field.kind is Kind.ENUM:
        equality_only(asked, "an enum")
        descriptor = field.descriptor.enum_type
        assert descriptor is not None
        return literals.enum(descriptor), asked.value, "enum"
    return _READERS[field.kind], asked.value, field.kind.value


def _present(field: Field, column: ColumnElement[Any], asked: Restriction) -> ColumnElement[bool]:
    only_has(asked, "*")
    if field.nullable:
        return column.is_not(null())
    if field.kind is Kind.ENUM:
        descriptor = field.descriptor.enum_type
        assert descriptor is not None
        return column.not_in(["", str(descriptor.values_by_number[0].name)])
    return column != literal(ZEROS[field.kind], column.type) if field.kind in ZEROS else true()


def _contains(column: ColumnElement[Any], wanted: str) -> ColumnElement[bool]:
    return Fragment("strpos(lower(", column, ' COLLATE "C"), ', text(folded(wanted)), ") > 0")


def folded(text: str) -> str:
    """Returns text with A-Z in lower case and all else as it is, which is what the database does under collation C."""
    return "".join(c.lower() if "A" <= c <= "Z" else c for c in text)


def equality_only(asked: Restriction, what: str) -> None:
    """Refuses comparisons by size where there is no order."""
    if asked.comparator not in ("=", ":"):
        raise refused(asked.value.at, f"{what} has no order; expected = or !=")


def only_has(asked: Restriction, what: str) -> None:
    """Refuses whatever is asked but `:`."""
    if asked.comparator != ":":
        raise refused(asked.value.at, f"found {asked.comparator} before {what}; expected :")
