"""Spaces proposed for programs: read from the program service as the caller, kept nowhere."""

from uuid import uuid4

import pytest
from ashgrove.program.v1 import dataset_pb2, program_pb2, signature_pb2
from ashgrove.program.v1.dataset_requests_pb2 import CreateDatasetRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from ashgrove.variables.v1 import space_exchange_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_preset_requests_pb2 as preset_rpc
from ashgrove.variables.v1 import variable_space_pb2 as pb
from ashgrove.variables.v1.variable_preset_pb2 import VariablePreset
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from google.protobuf.json_format import ParseDict
from grpc import StatusCode

from framework.testing.refusals import Refused
from tests.integration.variables.test_configuration_uses import Neighbours, neighbours

__all__ = ["neighbours"]


async def extracted(
    near: Neighbours, program: program_pb2.Program, **fields: object
) -> rpc.ExtractVariableSpaceResponse:
    """Returns a proposal."""
    request = rpc.ExtractVariableSpaceRequest(program_id=program.id, **fields)  # type: ignore[arg-type]
    answer: rpc.ExtractVariableSpaceResponse = await near.variables.do("ExtractVariableSpace", request)
    return answer


async def test_the_knobs_of_a_program_become_variables_with_its_own_values(neighbours: Neighbours) -> None:
    """The proposal is a space: it has a size, and can be created as it is."""
    program = await neighbours.made()
    found = await extracted(neighbours, program, models=["small", "large"])
    space = found.variable_space
    names = ["model", "temperature", "top_p", "max_tokens", "demonstration_count", "demonstration_selection"]
    assert [each.name for each in space.variables] == names
    defaults = {each.name: each.default for each in space.variables}
    assert defaults["temperature"].number_value == 0.5 and defaults["max_tokens"].number_value == 256
    assert [each.string_value for each in space.variables[0].choice.choices] == ["", "small", "large"]
    assert space.size.conditional_dimensions == 1 and not space.id
    assert found.program_revision == program.revision
    space.name = f"proposed {uuid4()}"
    made = await neighbours.variables.do("CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space))
    assert list(made.variables) == list(space.variables)


async def test_models_come_from_the_organizations_preset(neighbours: Neighbours) -> None:
    """Where none are named."""
    preset = ParseDict({"variable": {"name": "model", "choice": {"choices": ["a", "b"]}}}, VariablePreset())
    await neighbours.variables.do(
        "CreateVariablePreset", preset_rpc.CreateVariablePresetRequest(variable_preset=preset)
    )
    found = await extracted(neighbours, await neighbours.made())
    assert [each.string_value for each in found.variable_space.variables[0].choice.choices] == ["", "a", "b"]


async def test_slots_become_prompt_variables_when_asked_for(neighbours: Neighbours) -> None:
    """The main slot's instruction, and demonstrations of a dataset at its revision."""
    dataset = dataset_pb2.Dataset(name=f"dataset {uuid4()}")
    dataset.input_fields.add(name="text")
    dataset.output_fields.add(name="language")
    kept = await neighbours.program.do("CreateDataset", CreateDatasetRequest(dataset=dataset))
    found = await extracted(neighbours, await neighbours.made(), slots=True, dataset_id=kept.id)
    prompts: dict[str, pb.Variable] = {each.name: each for each in found.variable_space.variables}
    assert prompts["instruction"].instruction.slot == "main"
    shown = prompts["demonstrations"].demo_set
    assert (shown.dataset_id, shown.dataset_revision) == (kept.id, kept.revision)


async def test_programs_that_the_caller_may_not_see_are_missing(neighbours: Neighbours) -> None:
    """As any other resource of another's."""
    program = await neighbours.made()
    with pytest.raises(Refused) as refused:
        await neighbours.colleague.do("ExtractVariableSpace", rpc.ExtractVariableSpaceRequest(program_id=program.id))
    assert refused.value.code is StatusCode.NOT_FOUND


async def test_inputs_marked_variable_become_variables(neighbours: Neighbours) -> None:
    """Of their own kinds; a configuration that names them says what goes in."""
    field = signature_pb2.SignatureField
    wanted = program_pb2.Program(name=f"program {uuid4()}", type=program_pb2.Program.TYPE_PREDICT)
    wanted.signature_config.inputs.add(name="text")
    wanted.signature_config.inputs.add(name="tone", choices=["warm", "cold"], variable=True, description="how")
    wanted.signature_config.inputs.add(name="length", type=field.TYPE_INTEGER, variable=True)
    wanted.signature_config.inputs.add(name="share", type=field.TYPE_NUMBER, variable=True)
    wanted.signature_config.inputs.add(name="strict", type=field.TYPE_BOOLEAN, variable=True)
    wanted.signature_config.outputs.add(name="answer")
    program = await neighbours.program.do("CreateProgram", CreateProgramRequest(program=wanted))
    variables = (await extracted(neighbours, program)).variable_space.variables
    kinds = {each.name: each.WhichOneof("domain") for each in variables[:4]}
    assert kinds == {"tone": "choice", "length": "integer", "share": "float", "strict": "boolean"}
    assert variables[0].description == "how"
