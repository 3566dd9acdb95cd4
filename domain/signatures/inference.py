"""Fields inferred from examples."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.signatures.declaring import DEEPEST
from domain.signatures.field import Field
from domain.signatures.joining import UNKNOWN, clash, joined
from domain.signatures.kinds import MOST_PROPERTIES, PROPERTY, WORDS
from domain.signatures.times import is_time
from domain.values import IDENTIFIER, LARGEST_INTEGER, Invalid, Json, Violation

MOST_CHOICES = 10
"""How many different texts are taken for choices, unless it is said otherwise."""

_TIMES_EACH = 3
_LONGEST_CHOICE = 64


@dataclass
class _Seen:
    """What was seen at one place, and in which example first."""

    field: Field
    first: int
    count: int = 1


def inferred(examples: Sequence[Mapping[str, Json]], most_choices: int = MOST_CHOICES) -> tuple[Field, ...]:
    """Return the fields that all examples fit: optional where some lack them, nullable where some have null.

    Texts that are all RFC 3339 are times; a few texts, each seen three times on average, are choices. An object whose
    keys are no names, as those of a map, or that is nested deeper than fields may be, is any object. Raises Invalid
    naming every place and both examples where values have no type in common, and what no field can be called.
    """
    seen: dict[str, _Seen] = {}
    faults: dict[str, Violation] = {}
    for index, example in enumerate(examples):
        for name, value in example.items():
            if name not in faults and (fault := _met(seen, name, value, index)):
                faults[name] = fault
    if faults:
        raise Invalid(faults.values())
    if len(seen) > MOST_PROPERTIES:
        raise Invalid([Violation("examples", f"must have at most {MOST_PROPERTIES} names between them", "TOO_LARGE")])
    return tuple(_whole(each, [example.get(name) for example in examples], most_choices) for name, each in seen.items())


def _met(seen: dict[str, _Seen], name: str, value: Json, index: int) -> Violation | None:
    """Take one value for what was seen of its name; return what is wrong with it."""
    path = f"examples[{index}].{name[:80]}"
    if not IDENTIFIER.fullmatch(name):
        message = (
            "is no name of a field; rename it: lower-case letters, digits and underscores, 63 at most, a letter first"
        )
        return Violation(path, message, "INVALID_NAME")
    try:
        field = replace(_field(value, path), name=name)
    except Invalid as invalid:
        return invalid.violations[0]
    if name not in seen:
        seen[name] = _Seen(field, index)
        return None
    both = joined(seen[name].field, field)
    if both is None:
        return _mixed(path, field, seen[name])
    seen[name].field, seen[name].count = both, seen[name].count + 1
    return None


def _mixed(path: str, field: Field, seen: _Seen) -> Violation:
    end, before, now = clash(seen.field, field)
    message = f"is {_word(now)}, and {_word(before)} in examples[{seen.first}]: no type takes both"
    return Violation(f"{path}{end}", message, "WRONG_TYPE")


def _word(field: Field) -> str:
    return WORDS.get(field.kind, "null")


def _whole(seen: _Seen, values: Sequence[Json], most_choices: int) -> Field:
    field = replace(seen.field, optional=seen.count < len(values))
    if found := _finished(field, values, most_choices):
        return found
    path = f"examples[{seen.first}].{field.name}"
    raise Invalid([Violation(path, f"must be lists at most {DEEPEST - 1} deep", "TOO_DEEP")])


def field_of_value(value: Json, path: str) -> Field:
    """Return the field of one value by itself, text where it holds nothing to go by; raises Invalid for none."""
    return _whole(_Seen(_field(value, path), 0), [value], 0)


def _field(value: Json, path: str) -> Field:
    if value is None:
        return Field(kind=UNKNOWN, nullable=True)
    if isinstance(value, bool):
        return Field(kind="boolean")
    if isinstance(value, int | float):
        is_whole = float(value).is_integer() and abs(value) <= LARGEST_INTEGER
        return Field(kind="integer" if is_whole else "number")
    if isinstance(value, str):
        return Field(kind="date_time" if is_time(value) else "string")
    if isinstance(value, list):
        return Field(kind="array", items=_items(value, path))
    if len(value) > MOST_PROPERTIES or not all(map(PROPERTY.fullmatch, value)):
        return Field(kind="object")
    return Field(
        kind="object",
        properties=tuple(replace(_field(each, f"{path}.{name}"), name=name) for name, each in value.items()),
    )


def _items(values: Sequence[Json], path: str) -> Field:
    found = Field(kind=UNKNOWN)
    for index, each in enumerate(values):
        field = _field(each, f"{path}[{index}]")
        both = joined(found, field)
        if both is None:
            end, before, now = clash(found, field)
            message = f"is {_word(now)}, and {_word(before)} further up in the list: no type takes both"
            raise Invalid([Violation(f"{path}[{index}]{end}", message, "WRONG_TYPE")])
        found = both
    return found


def _finished(field: Field, values: Sequence[Json], most_choices: int, depth: int = 1) -> Field | None:
    """Return a field with its texts judged for choices, and without unknown kinds inside; None for lists too deep."""
    if depth > DEEPEST:
        return None
    if field.kind == UNKNOWN:
        return replace(field, kind="string")
    if field.kind == "string" and (choices := _choices(values, most_choices)):
        return replace(field, kind="enum", choices=choices)
    if field.items is not None:
        inner = [each for value in values if isinstance(value, list) for each in value]
        if field.items.kind in ("string", UNKNOWN) and not field.items.nullable:
            return replace(field, kind="string_list", items=None)
        items = _finished(field.items, inner, 0, depth + 1)
        return None if items is None else replace(field, items=items)
    parts = [_finished(each, list(_of(each.name, values)), most_choices, depth + 1) for each in field.properties]
    return replace(field, properties=() if None in parts else tuple(filter(None, parts)))


def _of(name: str, values: Sequence[Json]) -> Iterator[Json]:
    return (value.get(name) for value in values if isinstance(value, Mapping))


def _choices(values: Sequence[Json], most: int) -> tuple[str, ...]:
    counts = Counter(value for value in values if isinstance(value, str))
    few = 1 < len(counts) <= most and counts.total() >= _TIMES_EACH * len(counts)
    return tuple(sorted(counts)) if few and all(0 < len(each) <= _LONGEST_CHOICE for each in counts) else ()
