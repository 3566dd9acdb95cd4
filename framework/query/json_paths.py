"""Comparisons inside JSON columns: paths follow the declared messages; data without declared types is taken as it is.

Nothing here can raise in the database: paths that lead nowhere are null, and casts happen only behind their own test.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from sqlalchemy import ColumnElement

from framework.query import literals
from framework.query.comparing import equality_only, folded, only_has
from framework.query.fragments import Fragment, Pieces, text
from framework.query.grammar import Restriction, refused
from framework.resource.fields import is_sensitive

FREE = {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"}
BITS = {
    FieldDescriptor.TYPE_INT32: (32, True),
    FieldDescriptor.TYPE_INT64: (64, True),
    FieldDescriptor.TYPE_UINT32: (32, False),
    FieldDescriptor.TYPE_UINT64: (64, False),
}
FRACTIONS = (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT)
_DEFAULTS = {FieldDescriptor.TYPE_STRING: '""', FieldDescriptor.TYPE_BOOL: "false"}


@dataclass(frozen=True)
class Place:
    """Somewhere inside JSON data: the SQL that reaches it, what is declared there, and how errors call it."""

    sql: Pieces
    declared: FieldDescriptor
    name: str
    lists: int = 0
    """How many lists the path has come through."""
    element: bool = False
    """Whether this is one element of a list or one value of a map, and not the whole field."""


def json_clause(column: ColumnElement[object], declared: FieldDescriptor, asked: Restriction) -> ColumnElement[bool]:
    """Returns the clause of a comparison at the end of a path; raises InvalidFields where no path leads."""
    return Fragment(*_at(Place((column,), declared, declared.name), asked.path[1:], asked))


def _at(place: Place, names: Sequence[str], asked: Restriction) -> Pieces:
    declared = place.declared
    if declared.is_repeated and not place.element:
        return _in_map(place, names, asked) if is_map(declared) else _in_list(place, names, asked)
    message = declared.message_type
    if message is not None and message.full_name in FREE:
        return _free(below(place.sql, names), asked)
    if message is not None and names:
        return _in_message(place, message, names, asked)
    if names:
        raise refused(asked.at, f"{place.name} has no fields")
    if asked.value.star:
        return (*place.sql, " IS NOT NULL")
    if asked.value.null:
        return _is_null(place.sql, asked)
    return _compared(place, asked)


def _in_message(place: Place, message: Descriptor, names: Sequence[str], asked: Restriction) -> Pieces:
    public = public_fields(message)
    found = public.get(names[0])
    if found is None:
        known = f"; there are {', '.join(sorted(public))}" if public else ""
        raise refused(asked.at, f"{place.name} has no field {names[0][:40]}{known}")
    inner = below(place.sql, names[:1]) if asked.value.star else member(place.sql, found)
    return _at(Place(inner, found, f"{place.name}.{found.name}", place.lists), names[1:], asked)


def _in_map(place: Place, names: Sequence[str], asked: Restriction) -> Pieces:
    if names:
        assert place.declared.message_type is not None
        value = place.declared.message_type.fields_by_name["value"]
        inner = below(place.sql, names[:1])
        return _at(Place(inner, value, f"{place.name}.{names[0][:40]}", place.lists, element=True), names[1:], asked)
    only_has(asked, "a map")
    return (*place.sql, " <> '{}'") if asked.value.star else _holds_key(place.sql, asked)


def _in_list(place: Place, names: Sequence[str], asked: Restriction) -> Pieces:
    """Some element of the list is so."""
    only_has(asked, "a list")
    each = f"e{place.lists}"
    # Outside its own list an element is no column of the table, so its name is safe.
    whole = ("CASE WHEN jsonb_typeof(", *place.sql, ") = 'array' THEN ", *place.sql, " ELSE '[]' END")
    rows = ("EXISTS (SELECT FROM jsonb_array_elements(", *whole, f") AS {each}(value)")
    if asked.value.star and not names:
        return (*rows, ")")
    inner = Place((f"{each}.value",), place.declared, place.name, place.lists + 1, element=True)
    return (*rows, " WHERE ", *_at(inner, names, asked), ")")


def _compared(place: Place, asked: Restriction) -> Pieces:
    declared, value = place.declared, asked.value
    if declared.type in BITS:
        bits, signed = BITS[declared.type]
        number = literals.of_kind(literals.integer(bits, signed=signed), value, "integer")
        return (*whole_number(place.sql), _operator(asked), text(str(number)), "::numeric")
    if declared.type in FRACTIONS:
        return _same_type("number", place.sql, asked, repr(literals.of_kind(literals.double, value, "number")))
    if declared.type == FieldDescriptor.TYPE_BOOL:
        flag = literals.of_kind(literals.boolean, value, "boolean")
        return _same_type("boolean", place.sql, asked, str(flag).lower())
    if declared.type == FieldDescriptor.TYPE_STRING:
        return _text_compared(place, asked, literals.of_kind(str, value, "text"))
    if declared.enum_type is not None:
        equality_only(asked, "an enum")
        name = literals.of_kind(literals.enum(declared.enum_type), value, "enum")
        return _same_type("string", place.sql, asked, f'"{name}"')
    if declared.message_type is not None and declared.message_type.full_name == "google.protobuf.Timestamp":
        return _time(place.sql, asked)
    raise refused(asked.at, f"{place.name} cannot be compared; ask {place.name}:* or one of its fields")


def _text_compared(place: Place, asked: Restriction, wanted: str) -> Pieces:
    if asked.comparator == ":" and not place.element:
        return ("strpos(lower(", *as_text(place.sql), ' COLLATE "C"), ', text(folded(wanted)), ") > 0")
    return _same_type("string", place.sql, asked, literals.json_text(wanted))


def _time(sql: Pieces, asked: Restriction) -> Pieces:
    # Times in JSON have 0, 3, 6 or 9 digits of a second and a final Z: without it, their order is that of their text.
    moment = literals.moment_in_json(asked.value)
    wanted = moment if isinstance(moment, ColumnElement) else text(moment)
    return ("rtrim(", *as_text(sql), ", 'Z') COLLATE \"C\"", _operator(asked), wanted)


def _free(sql: Pieces, asked: Restriction) -> Pieces:
    """Data without declared types: the literal's type decides; `:` asks a list for an element, an object for a key."""
    if asked.value.star:
        only_has(asked, "*")
        return ("jsonb_typeof(", *sql, ") <> 'null'")
    if asked.value.null:
        return _is_null(sql, asked)
    wanted = literals.json_value(asked.value)
    if asked.comparator == ":":
        element = (*sql, " @> ", text(wanted), "::jsonb")
        return ("(", *element, " OR ", *_holds_key(sql, asked), ")") if wanted.startswith('"') else element
    kind = "string" if wanted.startswith('"') else "boolean" if wanted in ("true", "false") else "number"
    return _same_type(kind, sql, asked, wanted)


def _same_type(kind: str, sql: Pieces, asked: Restriction, wanted: str) -> Pieces:
    """JSON values of one type have PostgreSQL's own total order: no cast is needed."""
    compared = (*sql, _operator(asked), text(wanted), "::jsonb")
    if asked.comparator in ("=", ":"):
        return compared
    return ("(jsonb_typeof(", *sql, f") = '{kind}' AND ", *compared, ")")


def _is_null(sql: Pieces, asked: Restriction) -> Pieces:
    equality_only(asked, "null")
    return ("coalesce(jsonb_typeof(", *sql, ") = 'null', true)")


def _holds_key(sql: Pieces, asked: Restriction) -> Pieces:
    return ("jsonb_exists(", *sql, ", ", text(asked.value.text), ")")


def public_fields(message: Descriptor) -> dict[str, FieldDescriptor]:
    """Returns the fields of a message that a path may name."""
    # Messages of the protobuf library are written as JSON in ways of their own.
    ours = not message.full_name.startswith("google.")
    return {f.name: f for f in message.fields if ours and not is_sensitive(f)}


def member(sql: Pieces, declared: FieldDescriptor) -> Pieces:
    """Returns the value of a message's field, its default where JSON leaves it out; null outside of a message."""
    inner = below(sql, [declared.name])
    if declared.has_presence or declared.is_repeated:
        return inner
    there = ("CASE WHEN jsonb_typeof(", *sql, ") = 'object' THEN coalesce(")
    return ("(", *there, *inner, f", '{_default(declared)}') END)")


def whole_number(sql: Pieces) -> Pieces:
    """Returns a whole number as PostgreSQL counts, null where there is none."""
    # 64-bit integers are strings in proto JSON; the cast is behind the test of its own input.
    plain = as_text(sql)
    return ("(CASE WHEN ", *plain, " ~ '^-?[0-9]{1,20}$' THEN ", *plain, "::numeric END)")


def as_text(sql: Pieces) -> Pieces:
    """Returns what JSON text says, without its quotes."""
    return ("(", *sql, " #>> '{}')")


def below(sql: Pieces, names: Sequence[str]) -> Pieces:
    """Returns what lies at a path, null where it leads nowhere."""
    return ("jsonb_extract_path(", *sql, *(piece for n in names for piece in (", ", text(n))), ")") if names else sql


def _operator(asked: Restriction) -> str:
    return f" {'=' if asked.comparator == ':' else asked.comparator} "


def _default(declared: FieldDescriptor) -> str:
    if declared.enum_type is not None:
        return f'"{declared.enum_type.values_by_number[0].name}"'
    return _DEFAULTS.get(declared.type, "0")


def is_map(declared: FieldDescriptor) -> bool:
    """Says whether a repeated field is a map."""
    return declared.message_type is not None and declared.message_type.GetOptions().map_entry
