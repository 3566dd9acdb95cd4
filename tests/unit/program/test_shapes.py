"""Shapes: what fits a declared field, and what is told about the rest."""

import pytest
from ashgrove.program.v1 import signature_pb2 as pb

from framework.errors import InvalidFields
from services.program import shapes

Field = pb.SignatureField


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Field.TYPE_UNSPECIFIED, ["", "x"], [1, None, True, ["x"], {}]),
        (Field.TYPE_STRING, ["x"], [1.5, "a\x00b"]),
        (Field.TYPE_INTEGER, [0, 3.0, -7], [1.5, "1", True, None, float("nan"), 2**60]),
        (Field.TYPE_NUMBER, [0, 1.5], ["1", False, float("inf")]),
        (Field.TYPE_BOOLEAN, [True, False], [0, "true", None]),
        (Field.TYPE_STRING_LIST, [[], ["a", "b"]], ["a", [1], [["a"]]]),
    ],
)
def test_a_value_fits_its_type_or_is_named(
    kind: pb.SignatureField.Type.ValueType, good: list[object], bad: list[object]
) -> None:
    """Whole doubles are whole numbers; truth values are no numbers."""
    fields = [Field(name="it", type=kind)]
    for value in good:
        assert not list(shapes.value_faults(fields, {"it": value}, "inputs"))
    for value in bad:
        assert [f.path.startswith("inputs.it") for f in shapes.value_faults(fields, {"it": value}, "inputs")] == [True]


def test_missing_and_unknown_fields_and_wrong_choices_are_all_told() -> None:
    """Every violation at once, each with its path."""
    fields = [Field(name="text"), Field(name="language", choices=["sv", "de"])]
    faults = shapes.value_faults(fields, {"language": "xx", "taste": 1}, "examples[3].inputs")
    assert {f.path for f in faults} == {
        "examples[3].inputs.text",
        "examples[3].inputs.language",
        "examples[3].inputs.taste",
    }


def test_a_dataset_fits_a_program_when_it_has_every_field_of_its_type() -> None:
    """More fields do no harm; a missing one and one of another type are named."""
    signature = pb.SignatureConfig(inputs=[Field(name="text")], outputs=[Field(name="score", type=Field.TYPE_NUMBER)])
    text, number = Field(name="text", type=Field.TYPE_STRING), Field(name="score", type=Field.TYPE_NUMBER)
    shapes.fit(signature, [text, Field(name="more")], [number])
    with pytest.raises(
        InvalidFields, match=r"no input field text.*output field score is text; needed is a finite number"
    ):
        shapes.fit(signature, [], [Field(name="score")])


def test_only_text_has_choices_and_every_field_a_name() -> None:
    """What protos cannot say about a signature."""
    fields = shapes.at("inputs", [Field(name="a", type=Field.TYPE_NUMBER, choices=["1"]), Field()])
    assert [f.path for f in shapes.declared_faults(fields)] == ["inputs[0].choices", "inputs[1].name"]
