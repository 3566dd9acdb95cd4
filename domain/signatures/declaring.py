"""What is wrong with declared fields, told all at once at their paths."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from domain.signatures.field import MISSING, Field
from domain.signatures.kinds import CHOOSING, CONSTRAINTS, TUNABLE, UNIT, WORDS
from domain.values import IDENTIFIER, Json, Violation, shown

DEEPEST = 8
"""How many levels of items and properties a field may have."""

MOST_FIELDS = 1000
"""How many fields a signature's side may have, those inside others counted."""

PatternFault = Callable[[str], str]
"""Tells what is wrong with a regular expression, the empty text for nothing."""


def declared_faults(
    declared: Sequence[tuple[str, Field]], *, pattern_fault: PatternFault, taken: Collection[str] = ()
) -> Iterator[Violation]:
    """Yield what is wrong with fields given with their paths; a variable one is not called as one of `taken`."""
    if sum(map(_size, (field for _, field in declared))) > MOST_FIELDS:
        path = declared[0][0].rpartition("[")[0]
        yield Violation(path, f"must be at most {MOST_FIELDS} fields, those inside others counted", "TOO_LARGE")
        return
    counts = Counter(field.name for _, field in declared)
    for path, field in declared:
        yield from _name_faults(path, field, counts)
        if field.name and not IDENTIFIER.fullmatch(field.name):
            yield Violation(f"{path}.name", "must be a lower-case identifier of at most 63 characters", "INVALID_NAME")
        if field.variable:
            yield from _variable_faults(path, field, taken)
        yield from _field_faults(path, field, pattern_fault, 1)


def _name_faults(path: str, field: Field, counts: Mapping[str, int]) -> Iterator[Violation]:
    if not field.name:
        yield Violation(f"{path}.name", "a field needs a name", "REQUIRED")
    elif counts[field.name] > 1:
        yield Violation(f"{path}.name", f"{field.name} is declared more than once", "DUPLICATE_NAME")


def _size(field: Field) -> int:
    return 1 + sum(_size(each) for _, each in field.within)


def _variable_faults(path: str, field: Field, taken: Collection[str]) -> Iterator[Violation]:
    if ".outputs[" in f".{path}" or "output_fields[" in path:
        yield Violation(f"{path}.variable", "only an input can be tuned", "INCOMPATIBLE")
    elif field.name in taken:
        message = f"{field.name} is a parameter of the model already; call it otherwise"
        yield Violation(f"{path}.name", message, "DUPLICATE_NAME")
    elif field.kind not in TUNABLE and not field.choices:
        message = "a number, true or false, or one of choices can be tuned, no free text and no list"
        yield Violation(f"{path}.variable", message, "INCOMPATIBLE")


def _field_faults(path: str, field: Field, pattern_fault: PatternFault, depth: int) -> Iterator[Violation]:
    yield from _choice_faults(path, field)
    yield from _constraint_faults(f"{path}.constraints", field, pattern_fault)
    yield from _part_faults(path, field)
    if depth == DEEPEST and list(field.within):
        yield Violation(path, f"must be at most {DEEPEST} levels deep", "TOO_DEEP")
        return
    counts = Counter(each.name for each in field.properties)
    for end, each in field.within:
        if each is not field.items:
            yield from _name_faults(f"{path}{end}", each, counts)
        if each.variable:
            yield Violation(f"{path}{end}.variable", "only a whole input can be tuned", "INCOMPATIBLE")
        yield from _field_faults(f"{path}{end}", each, pattern_fault, depth + 1)


def _choice_faults(path: str, field: Field) -> Iterator[Violation]:
    if field.kind not in WORDS:
        yield Violation(f"{path}.type", f"is no type: {shown(field.kind)}", "NOT_A_CHOICE")
    elif field.choices and field.kind not in CHOOSING:
        yield Violation(f"{path}.choices", "only a text field may have choices", "INCOMPATIBLE")
    elif field.kind == "enum" and not field.choices:
        yield Violation(f"{path}.choices", "are what an enum is made of: at least one", "REQUIRED")


def _constraint_faults(path: str, field: Field, pattern_fault: PatternFault) -> Iterator[Violation]:
    given = field.constraints.given
    known = frozenset[str]() if field.choices else CONSTRAINTS.get(field.kind, frozenset())
    for name in given.keys() - known:
        there = f"it knows {', '.join(sorted(known))}" if known else "it knows none"
        yield Violation(f"{path}.{name}", f"is no constraint of this type; {there}", "INCOMPATIBLE")
    for low, high in (("minimum", "maximum"), ("min_length", "max_length"), ("min_items", "max_items")):
        if low in given and high in given and given[low] > given[high]:
            yield Violation(f"{path}.{high}", f"must not be below {low}", "OUT_OF_RANGE")
    if field.kind in UNIT:
        for name in ("minimum", "maximum"):
            if not 0 <= given.get(name, 0) <= 1:
                yield Violation(f"{path}.{name}", "must be from 0 to 1, as the value is", "OUT_OF_RANGE")
    if given.get("multiple_of", 1) <= 0:
        yield Violation(f"{path}.multiple_of", "must be above 0", "OUT_OF_RANGE")
    if field.constraints.pattern and (fault := pattern_fault(field.constraints.pattern)):
        yield Violation(f"{path}.pattern", f"is no regular expression: {fault}", "INVALID_PATTERN")


def _part_faults(path: str, field: Field) -> Iterator[Violation]:
    """Yield what belongs to another kind, and what this kind lacks."""
    if field.kind == "array" and field.items is None:
        yield Violation(f"{path}.items", "is required: what the list is of", "REQUIRED")
    parts = {"items": "array", "properties": "object", "dimension": "embedding", "shape": "tensor"}
    for name, kind in parts.items():
        if getattr(field, name) and field.kind != kind:
            yield Violation(f"{path}.{name}", f"is for {kind}s only", "INCOMPATIBLE")
    if field.items is not None:
        if field.items.name:
            yield Violation(f"{path}.items.name", "must be empty: items have no names", "INVALID_NAME")
        if field.items.optional or field.items.default is not MISSING:
            yield Violation(f"{path}.items", "can neither be left out nor have a default", "INCOMPATIBLE")


def defaults(field: Field, path: str) -> Iterator[tuple[str, Json, Field]]:
    """Yield every default of a field and of those inside it: its path, itself, and the field that it must fit."""
    if field.default is not MISSING:
        yield f"{path}.default_value", field.default, replace(field, name=field.name or "item", default=MISSING)
    for end, each in field.within:
        yield from defaults(each, f"{path}{end}")
