"""Arbitrary fields, and values that fit them, for property tests."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from domain.signatures.field import Constraints, Field
from tests.unit.domain.arbitrary import JSON, TEXT

NAMES = ("a", "b", "copy", "model_x", "schema")
NUMBERS = st.integers(-9, 9) | st.floats(-9, 9).map(lambda x: round(x, 3))
TIMES = st.sampled_from(["2026-11-30T12:00:00Z", "1999-01-01t00:00:00.5+01:00"])
_BOUNDED = {
    "integer": Constraints(minimum=-5, maximum=7),
    "number": Constraints(minimum=-5.5),
    "probability": Constraints(maximum=0.5),
    "string": Constraints(min_length=1, max_length=6),
    "string_list": Constraints(max_items=2),
    "token_list": Constraints(min_items=1),
    "array": Constraints(unique_items=True, max_items=3),
}


@st.composite
def fields(draw: st.DrawFn, name: str = "x", depth: int = 2) -> Field:
    """Return a sound field of any kind."""
    inner = ["array", "object"] if depth else []
    plain = ["string", "integer", "number", "boolean", "string_list", "enum", "date_time", "probability", "confidence"]
    kind = draw(st.sampled_from([*plain, "embedding", "token_list", "reasoning_chain", "tensor", *inner]))
    field = Field(name, kind, nullable=draw(st.booleans()), optional=draw(st.booleans()))
    if kind in _BOUNDED and draw(st.booleans()):
        field = replace(field, constraints=_BOUNDED[kind])
    if kind == "enum":
        field = replace(field, choices=draw(st.sampled_from([("u",), ("u", "v"), ("v", "w")])))
    if kind == "embedding":
        field = replace(field, dimension=draw(st.sampled_from([0, 2])))
    if kind == "tensor":
        field = replace(field, shape=draw(st.sampled_from([(), (2,), (0, 2)])))
    if kind == "array":
        field = replace(field, items=replace(draw(fields("", depth - 1)), optional=False))
    if kind == "object":
        field = replace(field, properties=draw(sides(depth - 1)))
    return field


@st.composite
def sides(draw: st.DrawFn, depth: int = 2) -> tuple[Field, ...]:
    """Return the fields of one side of a signature."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    return tuple(draw(fields(name, depth)) for name in names)


def values(draw: st.DrawFn, side: tuple[Field, ...]) -> dict[str, Any]:
    """Return values that fit a side, now and then without what may be left out."""
    return {each.name: value(draw, each) for each in side if not (each.optional and draw(st.booleans()))}


def value(draw: st.DrawFn, field: Field) -> Any:
    """Return a value that fits a field."""
    if field.nullable and draw(st.integers(0, 3)) == 0:
        return None
    if field.choices:
        return draw(st.sampled_from(field.choices))
    low, high = field.constraints.minimum, field.constraints.maximum
    least, most = field.constraints.min_items or 0, field.constraints.max_items or 3
    number = NUMBERS.filter(lambda x: (low is None or x >= low) and (high is None or x <= high))
    texts = st.lists(TEXT, min_size=least, max_size=most)
    if field.kind == "array":
        assert field.items is not None
        found = [value(draw, field.items) for _ in range(draw(st.integers(0, 2)))]
        return found[:1] if field.constraints.unique_items else found
    if field.kind == "object":
        return values(draw, field.properties)
    if field.kind == "tensor":
        shape = {(): (1, 2), (2,): (2,), (0, 2): (3, 2)}[field.shape]
        return [0.5] * shape[0] if len(shape) == 1 else [[1.5] * shape[1]] * shape[0]
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text("abc", min_size=1, max_size=6) if field.constraints.given else TEXT,
        "integer": st.integers(-5, 7),
        "number": number,
        "boolean": st.booleans(),
        "string_list": texts,
        "date_time": TIMES,
        "probability": st.floats(0, 0.5),
        "confidence": st.floats(0, 1),
        "embedding": st.lists(NUMBERS, min_size=field.dimension or 1, max_size=field.dimension or 3),
        "token_list": st.lists(TEXT | st.integers(0, 9), min_size=max(1, least), max_size=most),
        "reasoning_chain": st.just([{"step": 1, "reasoning": "so"}, {"step": "b", "reasoning": "and"}]),
    }
    return draw(kinds[field.kind])


@st.composite
def fitting(draw: st.DrawFn) -> tuple[tuple[Field, ...], dict[str, Any]]:
    """Return a side and values that fit it."""
    side = draw(sides())
    return side, values(draw, side)


@st.composite
def perhaps_fitting(draw: st.DrawFn) -> tuple[tuple[Field, ...], dict[str, Any]]:
    """Return a side and values of which one, at any depth, may be anything."""
    side, made = draw(fitting())
    holder: Any = made
    while draw(st.booleans()):
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        inner = [key for key in keys if isinstance(holder[key], dict | list) and holder[key]]
        if not inner:
            break
        holder = holder[draw(st.sampled_from(inner))]
    if isinstance(holder, dict):
        holder[draw(st.sampled_from([*holder, "zz"]))] = draw(JSON)
    elif holder:
        holder[0] = draw(JSON)
    return side, made
