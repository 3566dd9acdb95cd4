"""The schema engine: whatever is declared judges what it should, says so in JSON Schema, and survives its revisions."""

from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.signatures.compatibility import Healing, changes, side_misfits
from domain.signatures.field import Constraints, Field, fields_of
from domain.signatures.filling import upcast
from domain.signatures.inference import inferred
from domain.signatures.json_schema import Dialect, tool, without_nulls, written
from domain.signatures.merging import merged
from domain.values import Invalid, is_same, normalise
from services.program import shapes
from services.program.schemas.checking import Checker
from services.program.schemas.declared import field_from, message_of
from tests.tries import tries
from tests.unit.domain.arbitrary_signatures import fitting, perhaps_fitting, sides, values

few = settings(max_examples=tries(30), deadline=None)


@given(fitting())
@few
def test_what_fits_is_kept_as_it_is(case: tuple[tuple[Field, ...], dict[str, Any]]) -> None:
    """Whatever the kinds, and however the fields are called."""
    side, made = case
    checked = Checker(side).check(made)
    assert not checked.violations and is_same(checked.values, normalise(made))


@given(perhaps_fitting())
@few
def test_the_generic_json_schema_accepts_all_that_fits_and_refuses_what_does_not(
    case: tuple[tuple[Field, ...], dict[str, Any]],
) -> None:
    """Where it lost nothing it judges as the engine does; every violation has a path in the values."""
    side, made = case
    plain = written(side)
    judge = jsonschema.Draft202012Validator(plain.schema, format_checker=_TIMES)
    checked = Checker(side).check(made, "inputs")
    if not checked.violations:
        judge.validate(normalise(made))
    elif not plain.losses:
        assert list(judge.iter_errors(made))
    assert all(each.path.startswith("inputs") and each.message for each in checked.violations)


_TIMES = jsonschema.FormatChecker([])


@_TIMES.checks("date-time")
def _is_time(text: object) -> bool:
    from domain.signatures.times import is_time

    return not isinstance(text, str) or is_time(text)


@given(sides(), sides(), st.data())
@few
def test_where_nothing_breaks_everything_old_is_read_by_the_new(
    old: tuple[Field, ...], new: tuple[Field, ...], data: st.DataObject
) -> None:
    """Without a misfit each value of the old fits the new; with none but dropped ones it does once it was upcast."""
    found = list(side_misfits(new, old, "inputs"))
    made = values(data.draw, old)
    if not found:
        assert not Checker(new).check(made).violations
    if all(each.healing is not Healing.NONE for each in found):
        assert not Checker(new).check(upcast(new, made)).violations
    assert bool(found) == any(each.breaks_callers for each in changes(old, new, "inputs"))


@given(sides(), st.data())
@few
def test_inferred_fields_take_every_example(side: tuple[Field, ...], data: st.DataObject) -> None:
    """Or the place is told at which there are two kinds of values."""
    examples = [values(data.draw, side) for _ in range(4)]
    try:
        found = inferred([normalise(each) for each in examples])
    except Invalid as invalid:
        assert all(each.path.startswith("examples") for each in invalid.violations)
        return
    checker = Checker(found)
    assert not [each for one in examples for each in checker.check(one).violations]


@given(sides())
@few
def test_a_field_is_its_json_and_its_message(side: tuple[Field, ...]) -> None:
    """Nothing is lost on either way."""
    assert fields_of([each.to_json() for each in side]) == side
    assert tuple(field_from(message_of(each)) for each in side) == side
    assert not list(shapes.declared_faults(shapes.at("inputs", [message_of(each) for each in side])))


def test_every_violation_is_told_with_its_path() -> None:
    """In lists of objects, too; of what is unknown it is told what there is."""
    point = Field("", "object", properties=(Field("x", "number"), Field("label", "enum", choices=("p", "q"))))
    side = (
        Field("points", "array", items=point, constraints=Constraints(max_items=3)),
        Field("when", "date_time"),
        Field("sure", "confidence"),
        Field("vector", "embedding", dimension=2),
        Field("grid", "tensor", shape=(2, 2)),
        Field("steps", "integer", constraints=Constraints(minimum=1, multiple_of=2)),
    )
    wrong = {
        "points": [{"x": "1", "label": "p"}, {"x": 1, "label": "r", "y": 2}],
        "when": "2026-02-30T00:00:00Z",
        "sure": 1.5,
        "vector": [1],
        "grid": [[1, 2], [3]],
        "steps": 3,
        "more": float("nan"),
    }
    told = {each.path: each.message for each in Checker(side).check(wrong, "inputs").violations}
    assert told == {
        "inputs.more": "must be a finite number",
        "inputs.points[0].x": "must be a finite number",
        "inputs.points[1].label": "must be one of p, q",
        "inputs.points[1].y": "is no field here; there are x, label",
        "inputs.when": "must be RFC 3339 text with an offset, such as 2026-11-30T12:00:00Z",
        "inputs.sure": "must be at most 1",
        "inputs.vector": "must have at least 2 items, not 1",
        "inputs.grid": "must have lists of one length at each level",
        "inputs.steps": "must be a multiple of 2",
    }


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        (Field("x", "integer"), " 3.0 ", 3),
        (Field("x", "number"), "2.5", 2.5),
        (Field("x", "boolean"), "Yes", True),
        (Field("x", "string"), 7, "7"),
        (Field("x", "enum", choices=("Sv", "de")), " sv", "Sv"),
        (Field("x", "string_list"), "a, b", ["a", "b"]),
        (Field("x", "string_list"), "- a\n- b", ["a", "b"]),
        (Field("x", "object"), '{"a": 1}', {"a": 1}),
        (Field("x", "number", nullable=True), "null", None),
        (Field("x", "integer"), "3.5", None),
        (Field("x", "integer"), "9" * 400, None),
    ],
)
def test_lenient_reading_makes_values_of_text_and_strict_reading_does_not(field: Field, given: Any, kept: Any) -> None:
    """What has no reading is refused either way."""
    checker = Checker([field])
    lenient = checker.check({"x": given}, lenient=True)
    assert checker.check({"x": given}).violations
    if kept is None and not field.nullable:
        assert lenient.violations
    else:
        assert lenient.values == {"x": kept} and type(lenient.values["x"]) is type(kept)


def test_defaults_are_filled_in_at_every_depth_and_belong_to_each_value_alone() -> None:
    """A value that is given is never overwritten; changing one value changes no other."""
    inner = Field("", "object", properties=(Field("k", "integer", default=3), Field("name")))
    checker = Checker((Field("tags", "string_list", default=["a"]), Field("parts", "array", items=inner)))
    one = checker.check({"parts": [{"name": "p"}, {"name": "q", "k": 4}]}).values
    assert one == {"tags": ["a"], "parts": [{"name": "p", "k": 3}, {"name": "q", "k": 4}]}
    one["tags"].append("b")
    assert checker.check({"parts": []}).values["tags"] == ["a"]


def test_each_providers_dialect_says_what_it_can_and_what_it_cannot() -> None:
    """OpenAI's requires everything and takes null for what is absent; its answers are read back."""
    short = Field("q", constraints=Constraints(max_length=5))
    side = (short, Field("k", "integer", optional=True), Field("any", "object"))
    strict = written(side, Dialect.OPENAI)
    assert strict.schema["required"] == ["q", "k", "any"] and strict.schema["additionalProperties"] is False
    assert strict.schema["properties"]["k"] == {"type": ["integer", "null"]}
    assert [each.path for each in strict.losses] == ["q", "any"]
    assert without_nulls(side, {"q": "a", "k": None, "any": {}}) == {"q": "a", "any": {}}
    flagged = written((Field("k", "integer", nullable=True),), Dialect.OPENAPI).schema
    assert flagged["properties"]["k"] == {"type": "integer", "nullable": True}
    assert tool("look", "Looks.", side)["input_schema"]["required"] == ["q", "any"]


def test_what_a_new_signature_breaks_is_told_for_callers_and_for_what_is_stored() -> None:
    """A new output disturbs nobody who reads; a new required input breaks both, one with a default nobody."""
    old = (Field("text"), Field("style", "enum", choices=("a", "b")))
    new = (Field("text"), Field("style", "enum", choices=("a",)), Field("k", "integer", default=3), Field("id"))
    told = {each.path: (each.breaks_callers, each.breaks_stored) for each in changes(old, new, "inputs")}
    assert told == {"inputs.style": (True, True), "inputs.id": (True, True), "inputs.k": (False, False)}
    told = {each.path: (each.breaks_callers, each.breaks_stored) for each in changes(old, new, "outputs")}
    # Callers may meet what they did not know of; who stored an answer never had the new field.
    assert told == {"outputs.style": (False, True), "outputs.id": (False, True), "outputs.k": (False, False)}


def test_merging_refuses_chooses_or_widens_what_is_not_the_same() -> None:
    """Every field that cannot be settled is named."""
    one, other = (Field("a", "integer"), Field("b")), (Field("a", "number"), Field("c", "boolean"))
    with pytest.raises(Invalid, match=r"other_fields\.a: is not the same"):
        merged(one, other)
    assert [each.kind for each in merged(one, other, "widen")] == ["number", "string", "boolean"]
    assert merged(one, other, "second")[0].kind == "number" and merged(one, other, "first")[0].kind == "integer"
    with pytest.raises(Invalid, match="no type takes both"):
        merged(one, (Field("b", "boolean"),), "widen")


def test_inference_finds_choices_times_and_what_may_be_absent() -> None:
    """Mixed types are refused with both examples."""
    rows = [{"label": "pq"[i % 2], "at": "2026-01-01T00:00:00Z", "n": i / 2, "tags": []} for i in range(8)]
    rows[3]["tags"] = ["x"]
    rows[5]["note"] = None
    found = {each.name: each for each in inferred(rows)}
    assert found["label"].choices == ("p", "q") and found["at"].kind == "date_time" and found["n"].kind == "number"
    assert found["tags"].kind == "string_list" and found["note"].optional and found["note"].nullable
    with pytest.raises(Invalid, match=r"examples\[1\]\.a: is text, and a whole number in examples\[0\]"):
        inferred([{"a": 1}, {"a": "x"}])


def test_names_without_end_are_data_and_no_fields() -> None:
    """Within a field they make any object, however many rows have them; of whole examples they are refused."""
    many = [{f"k{index}": index} for index in range(20_000)]
    (field,) = inferred([{"rows": many}])
    assert field.items == Field(kind="object")
    (few,) = inferred([{"rows": many[:100]}])
    assert few.items is not None and len(few.items.properties) == 100 and all(e.optional for e in few.items.properties)
    with pytest.raises(Invalid, match="at most 100 names between them"):
        inferred(many)


def test_compatibility_is_told_of_fields_whose_names_begin_alike_and_of_any_steps() -> None:
    """What is said of `text2` says nothing of `text`; steps may be farther apart than doubles."""
    found = changes(
        [Field("text"), Field("text2")], [Field("text", description="x"), Field("text2", "integer")], "inputs"
    )
    assert [each.path for each in found] == ["inputs.text2", "inputs.text"]
    coarse, fine = (Field("n", "number", constraints=Constraints(multiple_of=step)) for step in (1e300, 1e-300))
    assert not changes([coarse], [fine], "outputs")[0].breaks_stored
    assert changes([fine], [coarse], "outputs")[0].breaks_stored


@pytest.mark.parametrize(
    ("field", "place"),
    [
        (Field("x", "integer", default="3"), "inputs[0].default_value"),
        (Field("x", "string", constraints=Constraints(pattern="(")), "inputs[0].constraints.pattern"),
        (Field("x", "string", constraints=Constraints(pattern="(?=a)")), "inputs[0].constraints.pattern"),
        (Field("x", "boolean", constraints=Constraints(minimum=0)), "inputs[0].constraints.minimum"),
        (Field("x", "number", constraints=Constraints(minimum=2, maximum=1)), "inputs[0].constraints.maximum"),
        (Field("x", "array"), "inputs[0].items"),
        (Field("x", "enum"), "inputs[0].choices"),
        (Field("x", "string", dimension=3), "inputs[0].dimension"),
        (Field("x", "object", properties=(Field("a"), Field("a"))), "inputs[0].properties[0].name"),
        (Field("x", "object", properties=(Field("a", "array"),)), "inputs[0].properties[0].items"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused_at_its_place(field: Field, place: str) -> None:
    """What nested fields say is judged as well."""
    found = [each.path for each in shapes.declared_faults(shapes.at("inputs", [message_of(field)]))]
    assert found[:1] == [place]


def test_fields_nested_too_deep_are_refused() -> None:
    """Eight levels are enough; the engine never builds what nobody can read."""
    field = Field("", "string")
    for _ in range(8):
        field = Field("", "array", items=field)
    found = list(shapes.declared_faults(shapes.at("inputs", [message_of(replace(field, name="x"))])))
    assert [each.message for each in found] == ["must be at most 8 levels deep"]


def test_text_that_is_nested_beyond_reading_is_text() -> None:
    """A cell of a file, or a model's answer: it is refused as what it is not."""
    for kind, deep in (("object", '{"a":' * 100_000), ("embedding", "[" * 100_000), ("token_list", "[" * 100_000)):
        checked = Checker([Field("x", kind, dimension=2 if kind == "embedding" else 0)])
        told = checked.check({"x": deep}, lenient=True)
        assert kind == "token_list" or [each.code for each in told.violations] == ["WRONG_TYPE"]


@pytest.mark.parametrize("step", [5e-324, 1e-300])
def test_a_number_beyond_its_steps_is_a_multiple_of_them(step: float) -> None:
    """What no double tells apart is not told apart, and nothing overflows."""
    checker = Checker([Field("x", "number", constraints=Constraints(multiple_of=step))])
    assert not checker.check({"x": 1e300}).violations
