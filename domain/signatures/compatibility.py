"""Whether what is written with one field can be read with another, and what a new signature breaks."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from domain.signatures.field import ANY_LENGTH, Field
from domain.signatures.kinds import UNIT, WORDS

_TAKES = {
    "string": {"string", "enum", "date_time"},
    "enum": {"string", "enum"},
    "number": {"number", "integer", *UNIT},
    "probability": set(UNIT),
    "confidence": set(UNIT),
    "token_list": {"token_list", "string_list"},
    "tensor": {"tensor", "embedding"},
}
"""Of each kind, those whose values it takes beside its own."""


class Healing(Enum):
    """What becomes of a misfit when stored values are made into those of the later signature."""

    NONE = "none"
    DROPPED = "dropped"
    """It is dropped."""


@dataclass(frozen=True)
class Misfit:
    """Why some value of a writer does not fit a reader: where, in words, and whether it is one of type."""

    path: str
    message: str
    of_type: bool = False
    healing: Healing = Healing.NONE


@dataclass(frozen=True)
class Change:
    """What is different in a field of a new signature, and what that breaks: callers, and what is stored."""

    path: str
    message: str
    breaks_callers: bool
    breaks_stored: bool


def misfits(reader: Field, writer: Field, path: str) -> Iterator[Misfit]:
    """Yield why a value written with one field might not be read with another; nothing when each of them can."""
    if reader.kind != "token_list":
        reader, writer = _listed(reader), _listed(writer)
    if writer.nullable and not reader.nullable:
        yield Misfit(path, "was allowed to be null")
    if writer.kind not in _TAKES.get(reader.kind, {reader.kind}) and not _is_numbers(reader, writer):
        yield Misfit(path, f"was {WORDS[writer.kind]}; is {WORDS[reader.kind]}", of_type=True)
        return
    yield from _choice_misfits(reader, writer, path)
    yield from _bound_misfits(reader, writer, path)
    yield from _length_misfits(reader, writer, path)
    if reader.items is not None and writer.items is not None:
        yield from misfits(reader.items, writer.items, f"{path}[]")
    if reader.kind == "object" and reader.properties:
        yield from _property_misfits(reader, writer, path)


def side_misfits(reader: Sequence[Field], writer: Sequence[Field], path: str) -> Iterator[Misfit]:
    """Yield why values of one list of fields might not be values of another."""
    yield from _property_misfits(
        Field(kind="object", properties=tuple(reader)), Field(kind="object", properties=tuple(writer)), path
    )


def changes(old: Sequence[Field], new: Sequence[Field], side: str) -> list[Change]:
    """Return what a new side of a signature, `inputs` or `outputs`, makes of an old one, breaking or not.

    Callers write inputs and read outputs. They may still write what they did, and read what they knew, unless that
    breaks; an output more does not disturb them. What is stored was written by the old one, and is read by the new one.
    """
    stored = [each for each in side_misfits(new, old, side) if each.healing is Healing.NONE]
    if side == "inputs":
        called = list(side_misfits(new, old, side))
    else:
        called = [each for each in side_misfits(old, new, side) if each.healing is Healing.NONE]
    found = [
        Change(each.path, each.message, breaks_callers=True, breaks_stored=_at(each.path, stored)) for each in called
    ]
    told = {each.path for each in called}
    found += [Change(each.path, each.message, False, True) for each in stored if each.path not in told]
    return found + list(_harmless(old, new, side, [each.path for each in found]))


def _at(path: str, found: Sequence[Misfit]) -> bool:
    return any(each.path == path for each in found)


def _harmless(old: Sequence[Field], new: Sequence[Field], side: str, told: Sequence[str]) -> Iterator[Change]:
    before, after = {each.name: each for each in old}, {each.name: each for each in new}
    for name in [*before, *(name for name in after if name not in before)]:
        path = f"{side}.{name}"
        within = (f"{path}.", f"{path}[")
        if before.get(name) == after.get(name) or any(each == path or each.startswith(within) for each in told):
            continue
        message = (
            "is new" if name not in before else "is gone" if name not in after else "is said otherwise, or takes more"
        )
        yield Change(path, message, breaks_callers=False, breaks_stored=False)


def _listed(field: Field) -> Field:
    """Return a list of texts as the list that it is."""
    return replace(field, kind="array", items=Field()) if field.kind == "string_list" else field


def _is_numbers(reader: Field, writer: Field) -> bool:
    """Tell whether a list of numbers reads an embedding."""
    return (
        reader.kind == "array"
        and writer.kind == "embedding"
        and reader.items is not None
        and reader.items.kind == "number"
        and not reader.items.constraints.given
    )


def _choice_misfits(reader: Field, writer: Field, path: str) -> Iterator[Misfit]:
    if not reader.choices:
        return
    if not writer.choices:
        yield Misfit(path, "was any text; is one of its choices")
    elif gone := [each for each in writer.choices if each not in reader.choices]:
        yield Misfit(path, f"could be {', '.join(gone[:5])}, which is no choice now")


def _bounds(field: Field) -> tuple[float | None, float | None]:
    low, high = field.constraints.minimum, field.constraints.maximum
    if field.kind in UNIT:
        return (0 if low is None else low), (1 if high is None else high)
    return low, high


def _bound_misfits(reader: Field, writer: Field, path: str) -> Iterator[Misfit]:
    (low, high), (least, most) = _bounds(reader), _bounds(writer)
    if low is not None and (least is None or least < low):
        yield Misfit(path, f"must be at least {low:g} now")
    if high is not None and (most is None or most > high):
        yield Misfit(path, f"must be at most {high:g} now")
    step = reader.constraints.multiple_of
    old = writer.constraints.multiple_of or (1 if writer.kind == "integer" else None)
    if step is not None and (old is None or not _is_multiple(old, step)):
        yield Misfit(path, f"must be a multiple of {step:g} now")
    if reader.constraints.pattern and reader.constraints.pattern != writer.constraints.pattern:
        yield Misfit(path, "must match another pattern now")


def _is_multiple(old: float, step: float) -> bool:
    # Beyond all doubles there is no telling them apart, as among the large ones.
    return not math.isfinite(times := old / step) or (times > 0.5 and abs(times - round(times)) <= 1e-9)


def _length_misfits(reader: Field, writer: Field, path: str) -> Iterator[Misfit]:
    for low, high, what in (("min_length", "max_length", "characters"), ("min_items", "max_items", "items")):
        least, before = getattr(reader.constraints, low) or 0, _least(writer, low)
        if least > before:
            yield Misfit(path, f"must be at least {least} {what} now")
        most, before_most = getattr(reader.constraints, high), _most(writer, high)
        if most is not None and (before_most is None or before_most > most):
            yield Misfit(path, f"must be at most {most} {what} now")
    if reader.constraints.unique_items and not writer.constraints.unique_items:
        yield Misfit(path, "must hold nothing twice now")
    if reader.kind == "embedding" and reader.dimension not in (ANY_LENGTH, writer.dimension):
        yield Misfit(path, f"must have {reader.dimension} numbers now")
    if reader.kind == "tensor" and reader.shape:
        shape = (writer.dimension,) if writer.kind == "embedding" else writer.shape
        same = len(shape) == len(reader.shape) and all(
            want in (ANY_LENGTH, has) for want, has in zip(reader.shape, shape, strict=True)
        )
        if not same:
            yield Misfit(path, "must have another shape now")


def _least(writer: Field, name: str) -> int:
    if writer.choices and name == "min_length":
        return min(map(len, writer.choices))
    if name == "min_items" and writer.kind in ("embedding", "reasoning_chain"):
        return max(writer.dimension or 1, writer.constraints.min_items or 0)
    return getattr(writer.constraints, name) or 0


def _most(writer: Field, name: str) -> int | None:
    if writer.choices and name == "max_length":
        return max(map(len, writer.choices))
    if name == "max_items" and writer.kind == "embedding":
        return writer.dimension or None
    most: int | None = getattr(writer.constraints, name)
    return most


def _property_misfits(reader: Field, writer: Field, path: str) -> Iterator[Misfit]:
    there, wanted = {each.name: each for each in writer.properties}, {each.name for each in reader.properties}
    if not writer.properties:
        yield Misfit(path, "was any object; is one of fixed properties")
        return
    for field in reader.properties:
        place = f"{path}.{field.name}"
        if field.name in there:
            if there[field.name].optional and not field.may_be_left_out:
                yield Misfit(place, "was allowed to be left out")
            yield from misfits(field, there[field.name], place)
        elif not field.may_be_left_out:
            yield Misfit(place, "was not there; is required", of_type=True)
    for name in there:
        if name not in wanted:
            yield Misfit(f"{path}.{name}", "was there; is not known", healing=Healing.DROPPED)
