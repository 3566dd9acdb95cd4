"""Fields inferred from examples."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.signatures.field import Field
from domain.signatures.joining import UNKNOWN, joined
from domain.signatures.kinds import WORDS
from domain.signatures.times import is_time
from domain.values import Invalid, Json, Violation

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

    Texts that are all RFC 3339 are times; a few texts, each seen three times on average, are choices. Raises Invalid
    naming the place and both examples where values have no type in common.
    """
    seen: dict[str, _Seen] = {}
    faults: dict[str, Violation] = {}
    for index, example in enumerate(examples):
        for name, value in example.items():
            field = replace(_field(value), name=name)
            if name not in seen:
                seen[name] = _Seen(field, index)
                continue
            both = joined(seen[name].field, field)
            if both is None:
                faults.setdefault(name, _mixed(name, index, field, seen[name]))
            else:
                seen[name].field, seen[name].count = both, seen[name].count + 1
    if faults:
        raise Invalid(faults.values())
    whole = [replace(each.field, optional=each.count < len(examples)) for each in seen.values()]
    return tuple(_finished(each, [example.get(each.name) for example in examples], most_choices) for each in whole)


def _mixed(name: str, index: int, field: Field, seen: _Seen) -> Violation:
    there = f"{_word(seen.field)} in examples[{seen.first}]"
    return Violation(f"examples[{index}].{name}", f"is {_word(field)}, and {there}: no type takes both", "WRONG_TYPE")


def _word(field: Field) -> str:
    if field.kind in ("array", "object"):
        return f"{WORDS[field.kind]} of something else"
    return WORDS.get(field.kind, "null")


def field_of_value(value: Json) -> Field:
    """Return the field of one value by itself; text where it holds nothing to go by."""
    return _finished(_field(value), [value], 0)


def _field(value: Json) -> Field:
    if value is None:
        return Field(kind=UNKNOWN, nullable=True)
    if isinstance(value, bool):
        return Field(kind="boolean")
    if isinstance(value, int | float):
        return Field(kind="integer" if float(value).is_integer() else "number")
    if isinstance(value, str):
        return Field(kind="date_time" if is_time(value) else "string")
    if isinstance(value, list):
        return Field(kind="array", items=_items(value))
    return Field(kind="object", properties=tuple(replace(_field(each), name=name) for name, each in value.items()))


def _items(values: Sequence[Json]) -> Field:
    found = Field(kind=UNKNOWN)
    for each in values:
        both = joined(found, _field(each))
        if both is None:
            raise Invalid([Violation("examples", "hold a list of values that have no type in common", "WRONG_TYPE")])
        found = both
    return found


def _finished(field: Field, values: Sequence[Json], most_choices: int) -> Field:
    """Return a field with its texts judged for choices, and without unknown kinds inside."""
    if field.kind == UNKNOWN:
        return replace(field, kind="string")
    if field.kind == "string" and (choices := _choices(values, most_choices)):
        return replace(field, kind="enum", choices=choices)
    if field.items is not None:
        inner = [each for value in values if isinstance(value, list) for each in value]
        items = _finished(field.items, inner, 0)
        is_text = items.kind == "string" and not items.nullable
        return replace(field, kind="string_list", items=None) if is_text else replace(field, items=items)
    parts = [_finished(each, list(_of(each.name, values)), most_choices) for each in field.properties]
    return replace(field, properties=tuple(parts))


def _of(name: str, values: Sequence[Json]) -> Iterator[Json]:
    return (value.get(name) for value in values if isinstance(value, Mapping))


def _choices(values: Sequence[Json], most: int) -> tuple[str, ...]:
    counts = Counter(value for value in values if isinstance(value, str))
    few = 1 < len(counts) <= most and counts.total() >= _TIMES_EACH * len(counts)
    return tuple(sorted(counts)) if few and all(0 < len(each) <= _LONGEST_CHOICE for each in counts) else ()
