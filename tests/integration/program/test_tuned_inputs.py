"""Inputs that are tuned: a configuration says what goes in, within what the signature allows."""

from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2, program_pb2, signature_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest

from framework.errors import InvalidFields
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import create_dataset, program, working

TEXTS = ["2 och 2", "2 und 2"]


async def create(bench: Workbench, **field: Any) -> program_pb2.Program:
    """Creates a program whose text is tuned."""
    wanted = program()
    wanted.signature_config.inputs[0].MergeFrom(signature_pb2.SignatureField(variable=True, **field))
    made: program_pb2.Program = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    return made


async def test_a_configuration_says_what_goes_in(bench: Workbench, workshop: Workshop) -> None:
    """Instead of the input's own value, which is kept as it was given."""
    made, dataset = await create(bench, choices=TEXTS), await create_dataset(bench)
    request = ExecuteProgramRequest(program_id=made.id, dataset_id=dataset.id)
    request.inputs.update({"text": TEXTS[0]})
    request.configuration.update({"demonstration_count": 8})
    async with working(workshop):
        plain = await bench.do("ExecuteProgram", request)
        request.configuration.update({"text": TEXTS[1]})
        tuned = await bench.do("ExecuteProgram", request)
    assert plain.status == tuned.status == execution_pb2.WORK_STATUS_COMPLETED, tuned.error
    assert (plain.outputs["language"], tuned.outputs["language"]) == ("sv", "de")
    assert tuned.inputs["text"] == TEXTS[0]


async def test_values_that_the_signature_does_not_allow_are_refused(bench: Workbench) -> None:
    """At their place in the configuration."""
    made = await create(bench, choices=TEXTS)
    request = ExecuteProgramRequest(program_id=made.id)
    request.inputs.update({"text": TEXTS[0]})
    request.configuration.update({"text": "2 et 2"})
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ExecuteProgram", request)
    assert [each.path for each in refused.value.violations] == ["configuration.text"]


@pytest.mark.parametrize(
    ("place", "field", "path"),
    [
        ("inputs", {"name": "more"}, "inputs[1].variable"),
        ("inputs", {"name": "more", "type": signature_pb2.SignatureField.TYPE_STRING_LIST}, "inputs[1].variable"),
        ("inputs", {"name": "top_p", "type": signature_pb2.SignatureField.TYPE_NUMBER}, "inputs[1].name"),
        ("outputs", {"name": "more", "type": signature_pb2.SignatureField.TYPE_NUMBER}, "outputs[1].variable"),
    ],
)
async def test_what_cannot_be_tuned_is_refused(bench: Workbench, place: str, field: dict[str, Any], path: str) -> None:
    """Free text, lists, outputs, and what is called like a parameter of the model."""
    wanted = program()
    getattr(wanted.signature_config, place).add(variable=True, **field)
    with pytest.raises(InvalidFields) as refused:
        await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    assert [each.path for each in refused.value.violations] == [f"program.signature_config.{path}"]
