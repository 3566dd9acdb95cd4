"""The schema engine where people rarely look: odd names, maps, deep values, and what each refusal says."""

from typing import Any

import pytest
from ashgrove.program.v1.execution_pb2 import Execution
from ashgrove.program.v1.execution_requests_pb2 import ListExecutionsResponse

from domain.signatures.compatibility import changes
from domain.signatures.field import Constraints, Field
from domain.signatures.inference import inferred
from domain.signatures.json_schema import Dialect, written
from domain.signatures.merging import merged
from domain.values import DEEPEST, Invalid
from framework.structs import struct_of
from services.program import shapes
from services.program.schemas.checking import Checker
from services.program.schemas.declared import message_of


def told(checked: Any) -> dict[str, str]:
    """Returns violations by their places."""
    return {each.path: each.message for each in checked.violations}


def faults(examples: list[dict[str, Any]]) -> dict[str, str]:
    """Returns what inference says of examples that it refuses."""
    with pytest.raises(Invalid) as refusal:
        inferred(examples)
    return told(refusal.value)


def test_no_field_takes_the_place_of_another_that_is_called_like_a_stand_in() -> None:
    """Names that pydantic keeps for itself stand under others, which nobody can declare."""
    checker = Checker((Field("copy"), Field("field_0"), Field("schema"), Field("field_2", "integer")))
    values = {"copy": "a", "field_0": "b", "schema": "c", "field_2": 3}
    assert checker.check(values).values == values
    assert told(checker.check({"field_0": "b", "schema": "c", "field_2": 3})) == {"copy": "is missing; it must be text"}


def test_what_a_value_inside_a_value_must_be_is_said() -> None:
    """Of steps of a chain, numbers of an embedding, texts of a list, and choices."""
    side = (
        Field("chain", "reasoning_chain"),
        Field("vector", "embedding"),
        Field("tags", "string_list"),
        Field("tone", "enum", choices=tuple(f"t{i}" for i in range(25))),
        Field("sure", "confidence"),
    )
    wrong = {"chain": [{"step": True, "more": 1}], "vector": [1, "x"], "tags": [1], "tone": "u", "sure": 2}
    assert told(Checker(side).check(wrong)) == {
        "chain[0].step": "must be text or a whole number",
        "chain[0].reasoning": "is missing; it must be text",
        "chain[0].more": "is no field here; there are step, reasoning",
        "vector[1]": "must be a finite number",
        "tags[0]": "must be text",
        "tone": f"must be one of {', '.join(f't{i}' for i in range(20))} and 5 more",
        "sure": "must be at most 1",
    }


def test_a_value_as_deep_as_it_may_be_fits_into_an_answer() -> None:
    """Protobuf reads no more than a hundred messages within each other; what is deeper is refused before."""
    deep: Any = "end"
    for _ in range(DEEPEST):
        deep = {"a": deep}
    kept = Checker((Field("x", "object"),)).check({"x": deep["a"]})
    answer = ListExecutionsResponse(executions=[Execution(outputs=struct_of({"steps": {"s": kept.values}}))])
    assert ListExecutionsResponse.FromString(answer.SerializeToString()) == answer
    text = "[" * DEEPEST + "]" * DEEPEST
    (violation,) = Checker((Field("x", "object"),)).check({"x": f'{{"a": {text}}}'}, "v", lenient=True).violations
    assert violation.code == "TOO_DEEP" and violation.path.startswith("v.x.a[0]")


def test_a_whole_numbers_bounds_are_whole() -> None:
    """Whatever their size, and wherever between two they stand; a small number is no multiple of a great one."""
    side = (
        Field("a", "integer", constraints=Constraints(minimum=0.5, maximum=2.5)),
        Field("b", "integer", constraints=Constraints(minimum=1e20)),
        Field("c", "number", constraints=Constraints(multiple_of=1e10)),
    )
    found = told(Checker(side).check({"a": 3, "b": 1, "c": 1}))
    assert found["a"] == "must be at most 2" and found.keys() == {"a", "b", "c"}
    assert not Checker(side[:1]).check({"a": 1}).violations and Checker(side[:1]).check({"a": 0}).violations
    assert inferred([{"x": 1e21}])[0].kind == "number" and inferred([{"x": 2.0}])[0].kind == "integer"


def test_inference_tells_the_place_where_values_part() -> None:
    """Inside lists and objects, too, all of them at once."""
    rows = [{"a": {"b": [{"c": 1}]}, "d": 1}, {"a": {"b": [{"c": "x"}]}, "d": [1, "x"]}, {"e": [{"f": 1}, {"f": []}]}]
    assert faults(rows) == {
        "examples[1].a.b[].c": "is text, and a whole number in examples[0]: no type takes both",
        "examples[1].d[1]": "is text, and a whole number further up in the list: no type takes both",
        "examples[2].e[1].f": "is a list, and a whole number further up in the list: no type takes both",
    }


def test_what_no_field_can_be_called_is_told_with_what_it_may_be() -> None:
    """So that whatever is inferred can be declared."""
    found = faults([{"My Key": 1, "": 2, "ok": 3}])
    assert found.keys() == {"examples[0].My Key", "examples[0]."}
    assert all("rename it: lower-case letters" in each for each in found.values())
    assert "at most 100" in faults([{f"k{i}": i for i in range(101)}])["examples"]
    nested: Any = 1
    for _ in range(8):
        nested = [nested]
    assert faults([{"x": nested}]) == {"examples[0].x": "must be lists at most 7 deep"}


def test_maps_and_what_is_nested_deeper_than_fields_may_be_are_any_object() -> None:
    """What is inferred is sound, and takes the examples."""
    deep: dict[str, Any] = {"k": [[1]]}
    for _ in range(10):
        deep = {"k": deep}
    example = {"by_day": {"2026-01-01": 1, "2026-01-02": 2}, "deep": deep, "plain": {"Some.Name": 1}}
    found = inferred([example])
    assert not list(shapes.declared_faults(shapes.at("inputs", map(message_of, found))))
    assert not Checker(found).check(example).violations
    assert [each.properties for each in found if each.name == "by_day"] == [()]
    assert found[-1].properties[0].name == "Some.Name"


def test_widening_names_the_place_where_no_type_takes_both() -> None:
    """Inside an object, not only the field around it."""
    one, other = (Field("a", "object", properties=(Field("b", kind),)) for kind in ("boolean", "integer"))
    with pytest.raises(Invalid, match=r"other_fields\.a\.b: is true or false in one and a whole number in the other"):
        merged((one,), (other,), "widen")


def test_a_list_of_texts_is_read_as_tokens_and_tokens_as_no_texts() -> None:
    """Every text is a token; not every token is a text."""
    texts, tokens = (Field("a", "string_list"),), (Field("a", "token_list"),)
    assert not [each for each in changes(texts, tokens, "inputs") if each.breaks_callers or each.breaks_stored]
    assert [each.path for each in changes(tokens, texts, "inputs") if each.breaks_stored] == ["inputs.a"]


@pytest.mark.parametrize("dialect", [Dialect.OPENAI, Dialect.GEMINI])
def test_any_object_is_asked_for_as_text_where_a_dialect_has_none(dialect: Dialect) -> None:
    """OpenAI's would be empty for ever, and Gemini refuses one; what is answered is read leniently."""
    side = (Field("extra", "object", description="Whatever else."),)
    made = written(side, dialect)
    extra = made.schema["properties"]["extra"]
    assert extra == {"type": "string", "description": "Whatever else. An object, as JSON text."}
    assert [each.path for each in made.losses] == ["extra"]
    assert Checker(side).check({"extra": '{"a": 1}'}, lenient=True).values == {"extra": {"a": 1}}


def test_null_is_among_the_choices_where_openapi_wants_it() -> None:
    """Steps of a chain are text or a whole number in every dialect."""
    side = (Field("tone", "enum", choices=("a",), nullable=True), Field("chain", "reasoning_chain"))
    assert written(side, Dialect.OPENAPI).schema["properties"]["tone"]["enum"] == ["a", None]
    assert written(side, Dialect.GEMINI).schema["properties"]["tone"]["enum"] == ["a"]
    for dialect in Dialect:
        step = written(side, dialect).schema["properties"]["chain"]["items"]["properties"]["step"]
        assert step == {"anyOf": [{"type": "string"}, {"type": "integer"}]}
