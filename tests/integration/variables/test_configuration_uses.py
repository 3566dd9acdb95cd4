"""Kept configurations: side by side, of known origin, kept once, and put into programs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from ashgrove.program.v1 import dataset_pb2, program_pb2
from ashgrove.program.v1.dataset_requests_pb2 import CreateDatasetRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest, GetProgramRequest, UpdateProgramRequest
from ashgrove.programs import field
from ashgrove.variables.v1 import configuration_use_requests_pb2 as rpc
from ashgrove.variables.v1 import prompt_value_pb2
from ashgrove.variables.v1 import variable_configuration_pb2 as pb
from ashgrove.variables.v1 import variable_configuration_requests_pb2 as kept_rpc
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from ashgrove.variables.v1.prompt_value_requests_pb2 import AddPromptValueRequest
from ashgrove.variables.v1.space_exchange_requests_pb2 import ExtractVariableSpaceRequest
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode

from framework.errors import AlreadyExists, InvalidFields, NotFound
from framework.rpc.channels import channel_to
from framework.testing.refusals import Refused
from framework.testing.serving import Served, served
from framework.testing.tokens import Issuer
from framework.testing.workbench import Workbench, workbench
from services.program.lm.parameters import parameters
from services.program.registry import registry as program_registry
from services.variables.application import application
from services.variables.registry import registry

VARIABLES = [
    {"name": "temperature", "float": {"low": 0, "high": 3}, "default": 0},
    {"name": "max_tokens", "integer": {"low": 1, "high": 500}, "default": 100},
    {"name": "model", "choice": {"choices": ["small", "large", 3]}, "default": "small"},
    {"name": "prompt", "instruction": {"slot": "main"}},
    {"name": "critic", "instruction": {"slot": "critic"}},
    {"name": "double", "computed": {"expression": "temperature * 2"}},
]


async def space_of(do: Any, variables: Any = None) -> space_pb.VariableSpace:
    """A space."""
    space = ParseDict({"name": f"space {uuid4()}", "variables": variables or VARIABLES}, space_pb.VariableSpace())
    made: space_pb.VariableSpace = await do("CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space))
    return made


async def keep(do: Any, space: space_pb.VariableSpace, values: Any, **fields: Any) -> pb.VariableConfiguration:
    """Keeps values."""
    made = pb.VariableConfiguration(name=f"kept {uuid4()}", variable_space_id=space.id, **fields)
    made.values.SetInParent()
    made.values.update(values)
    kept: pb.VariableConfiguration = await do(
        "CreateVariableConfiguration", kept_rpc.CreateVariableConfigurationRequest(variable_configuration=made)
    )
    return kept


async def test_the_same_values_are_kept_once_for_a_revision(bench: Workbench) -> None:
    """The refusal names the one; an archived one is out of the way."""
    space = await space_of(bench.do)
    first = await keep(bench.do, space, {"temperature": 1})
    with pytest.raises(AlreadyExists) as refused:
        await keep(bench.do, space, {"temperature": 1.0, "max_tokens": 100})
    assert refused.value.metadata["id"] == first.id and first.name in refused.value.message
    await bench.do("ArchiveVariableConfiguration", kept_rpc.ArchiveVariableConfigurationRequest(id=first.id))
    assert (await keep(bench.do, space, {"temperature": 1})).content_hash == first.content_hash


async def test_the_origin_of_a_configuration_does_not_contradict_itself(bench: Workbench) -> None:
    """Parents are configurations of the same space that the caller sees."""
    space, other = await space_of(bench.do), await space_of(bench.do)
    one, two = await keep(bench.do, space, {}), await keep(bench.do, space, {"temperature": 1})
    foreign = await keep(bench.do, other, {})
    origin = pb.VariableConfiguration
    crossed = await keep(
        bench.do, space, {"max_tokens": 2}, origin=origin.ORIGIN_CROSSOVER, parent_ids=[one.id, two.id]
    )
    assert list(crossed.parent_ids) == [one.id, two.id]
    found = await keep(
        bench.do, space, {"max_tokens": 3}, origin=origin.ORIGIN_OPTIMIZER, optimization_run_id=str(uuid4())
    )
    assert found.optimization_run_id
    for fields, path in (
        ({"origin": origin.ORIGIN_PERTURBED}, "parent_ids"),
        ({"parent_ids": [one.id]}, "parent_ids"),
        ({"origin": origin.ORIGIN_PERTURBED, "parent_ids": [foreign.id]}, "parent_ids[0]"),
        ({"origin": origin.ORIGIN_PERTURBED, "parent_ids": [str(uuid4())]}, "parent_ids[0]"),
        ({"origin": origin.ORIGIN_GENERATED, "trial_id": str(uuid4())}, "trial_id"),
    ):
        with pytest.raises(InvalidFields) as refused:
            await keep(bench.do, space, {"max_tokens": 9}, **fields)
        assert [v.path for v in refused.value.violations] == [f"variable_configuration.{path}"]


async def test_configurations_stand_side_by_side(bench: Workbench) -> None:
    """What is absent is told apart from null; of hidden ones nothing is told."""
    variables = [
        {"name": "a", "choice": {"choices": [1, None]}, "default": 1},
        {"name": "b", "float": {"low": 0, "high": 1}, "default": 0.5, "when": "a == 1"},
    ]
    space = await space_of(bench.do, variables)
    one, two = await keep(bench.do, space, {}), await keep(bench.do, space, {"a": None})
    ask = rpc.CompareConfigurationsRequest(variable_configuration_ids=[one.id, two.id])
    found = await bench.do("CompareConfigurations", ask)
    assert [(row.path, row.equal) for row in found.rows] == [("a", False), ("b", False)]
    assert found.rows[0].values[1].value.HasField("null_value") and not found.rows[1].values[1].HasField("value")
    assert found.same_space_revision and not found.equal
    ask = rpc.CompareConfigurationsRequest(variable_configuration_ids=[one.id, one.id], only_differences=True)
    found = await bench.do("CompareConfigurations", ask)
    assert found.equal and not found.rows
    with pytest.raises(NotFound):
        await bench.do("CompareConfigurations", ask, bench.colleague)


class Neighbours:
    """The variables service and the program service, each behind a port, and one user of both."""

    def __init__(self, program: Served, variables: Served, issuer: Issuer, bench: Workbench) -> None:
        token = issuer.token(bench.user)
        self.program = program.as_actor(bench.user, token=token)
        self.variables = variables.as_actor(bench.user, token=token)
        self.colleague = variables.as_actor(bench.colleague, token=issuer.token(bench.colleague))

    async def made(self, kind: Any = program_pb2.Program.TYPE_CHAIN_OF_THOUGHT) -> program_pb2.Program:
        """A program of the user's."""
        made = program_pb2.Program(name=f"program {uuid4()}", type=kind)
        made.signature_config.instructions = "Answer."
        made.signature_config.inputs.add(name="text")
        made.signature_config.outputs.add(name="language")
        made.program_config.temperature = 0.5
        created: program_pb2.Program = await self.program.do("CreateProgram", CreateProgramRequest(program=made))
        return created

    async def read(self, program: program_pb2.Program) -> program_pb2.Program:
        """The program as it is now."""
        found: program_pb2.Program = await self.program.do("GetProgram", GetProgramRequest(id=program.id))
        return found


@pytest.fixture
async def neighbours(postgres_url: str) -> AsyncIterator[Neighbours]:
    issuer = Issuer()
    migrations = Path("services")
    async with (
        workbench(program_registry(), postgres_url, migrations / "program" / "migrations") as program_bench,
        served(program_bench, issuer.keys) as program,
    ):
        # The optimizer is away.
        channels = {"program": channel_to(f"127.0.0.1:{program.port}"), "optimizer": channel_to("127.0.0.1:1")}
        async with (
            workbench(
                registry(), postgres_url, migrations / "variables" / "migrations", application(channels)
            ) as bench,
            served(bench, issuer.keys) as variables,
        ):
            yield Neighbours(program, variables, issuer, bench)
        for channel in channels.values():
            await channel.close()


async def prompt(near: Neighbours, space: space_pb.VariableSpace, text: str) -> str:
    """Adds an instruction and returns its reference."""
    value = prompt_value_pb2.PromptValue(variable_space_id=space.id, kind=1)
    value.content.update({"text": text})
    return str((await near.variables.do("AddPromptValue", AddPromptValueRequest(prompt_value=value))).reference)


async def test_a_configuration_is_put_into_a_program_and_taken_out_again(neighbours: Neighbours) -> None:
    """As a new revision each; slots that the program lacks, and what is computed, have no place and need none."""
    program, space = await neighbours.made(), await space_of(neighbours.variables.do)
    values = {"temperature": 1.5, "model": "large", "prompt": await prompt(neighbours, space, "Be brief.")}
    kept = await keep(neighbours.variables.do, space, values)
    asked = rpc.ApplyConfigurationRequest(variable_configuration_id=kept.id, program_id=program.id)
    asked.validate_only = True
    rehearsed = await neighbours.variables.do("ApplyConfiguration", asked)
    assert await neighbours.read(program) == program
    asked.validate_only, asked.expected_program_revision = False, 1
    applied = await neighbours.variables.do("ApplyConfiguration", asked)
    assert applied.changes == rehearsed.changes
    assert {each.field: (each.HasField("before"), each.variable) for each in applied.changes} == {
        "program_config.temperature": (True, "temperature"),
        "program_config.max_tokens": (False, "max_tokens"),
        "program_config.model": (False, "model"),
        "signature_config.instructions": (True, "prompt"),
    }
    now = await neighbours.read(program)
    config = now.program_config
    assert (config.temperature, config.max_tokens, config.model) == (1.5, 100, "large")
    assert now.signature_config.instructions == "Be brief."
    assert (applied.previous_program_revision, applied.program_revision, now.revision) == (1, 2, 2)
    again = await neighbours.variables.do(
        "ApplyConfiguration", rpc.ApplyConfigurationRequest(variable_configuration_id=kept.id, program_id=program.id)
    )
    assert not again.changes and again.program_revision == 2
    undo = rpc.UndoConfigurationRequest(
        variable_configuration_id=kept.id, program_id=program.id, previous_program_revision=1, program_revision=2
    )
    undone = await neighbours.variables.do("UndoConfiguration", undo)
    before = await neighbours.read(program)
    assert undone.program_revision == before.revision == 3 and before.content_hash == program.content_hash


async def test_nothing_is_put_over_what_somebody_else_changed(neighbours: Neighbours) -> None:
    """Neither on the way in nor on the way out."""
    program, space = await neighbours.made(), await space_of(neighbours.variables.do)
    kept = await keep(neighbours.variables.do, space, {"temperature": 1})
    changed = program_pb2.Program(id=program.id)
    changed.program_config.temperature = 0.1
    await neighbours.program.do("UpdateProgram", UpdateProgramRequest(program=changed))
    own = {"variable_configuration_id": kept.id, "program_id": program.id}
    with pytest.raises(Refused) as refused:
        await neighbours.variables.do("ApplyConfiguration", **own, expected_program_revision=1)
    assert refused.value.code is StatusCode.ABORTED
    with pytest.raises(Refused) as refused:
        await neighbours.variables.do("UndoConfiguration", **own, previous_program_revision=1, program_revision=1)
    assert refused.value.code is StatusCode.ABORTED


async def test_what_has_no_place_in_a_program_is_refused_by_name(neighbours: Neighbours) -> None:
    """And so is what its place does not hold, and what its kind does not have."""
    program = await neighbours.made()
    more = [
        {"name": "speed", "integer": {"low": 0, "high": 9}, "default": 1},
        {"name": "cite", "boolean": {}, "default": True},
    ]
    space = await space_of(neighbours.variables.do, [*VARIABLES, *more])
    critic = await prompt(neighbours, space, "Judge.")
    found = []
    for values in ({}, {"model": 3}, {"critic": critic}):
        kept = await keep(neighbours.variables.do, space, values)
        with pytest.raises(Refused) as refused:
            await neighbours.variables.do(
                "ApplyConfiguration", variable_configuration_id=kept.id, program_id=program.id
            )
        found.append(set(refused.value.fields))
    assert found == [
        {"values.speed", "values.cite"},
        {"values.speed", "values.cite", "values.model"},
        {"values.critic"},
    ]
    huge = {"name": "timeout_ms", "integer": {"low": 0, "high": 2**40}, "default": 1}
    space = await space_of(neighbours.variables.do, [*VARIABLES, huge])
    for values, name in (({"temperature": 2.5}, "temperature"), ({"timeout_ms": 2**40}, "timeout_ms")):
        kept = await keep(neighbours.variables.do, space, values)
        with pytest.raises(Refused) as refused:
            await neighbours.variables.do(
                "ApplyConfiguration", variable_configuration_id=kept.id, program_id=program.id
            )
        assert set(refused.value.fields) == {f"values.{name}"}


async def test_whatever_is_extracted_from_a_program_can_be_put_into_it(neighbours: Neighbours) -> None:
    """Every knob has its place, is proposed as it is, and is what the program runs with."""
    program = await neighbours.made()
    asked = ExtractVariableSpaceRequest(program_id=program.id, models=["large", "small"], slots=True)
    proposal = (await neighbours.variables.do("ExtractVariableSpace", asked)).variable_space
    proposal.name = "extracted"
    space = await neighbours.variables.do("CreateVariableSpace", CreateVariableSpaceRequest(variable_space=proposal))
    values = {"model": "large", "top_p": 0.5, "demonstration_count": 4, "demonstration_selection": "nearest"}
    kept = await keep(neighbours.variables.do, space, values)
    await neighbours.variables.do("ApplyConfiguration", variable_configuration_id=kept.id, program_id=program.id)
    config = (await neighbours.read(program)).program_config
    assert {name: getattr(config, name) for name in values} == values
    again = (await neighbours.variables.do("ExtractVariableSpace", asked)).variable_space
    defaults = {each.name: MessageToDict(each.default) for each in again.variables if each.name in values}
    assert defaults == values
    effective = parameters(MessageToDict(config, preserving_proto_field_name=True), {})
    assert {name: getattr(effective, name) for name in values} == values


async def test_it_takes_the_right_to_change_the_program(neighbours: Neighbours) -> None:
    """Asked as the caller: a program that is hidden is not there."""
    program = await neighbours.made()
    space = await space_of(neighbours.colleague.do)
    kept = await keep(neighbours.colleague.do, space, {"temperature": 1})
    with pytest.raises(Refused) as refused:
        await neighbours.colleague.do("ApplyConfiguration", variable_configuration_id=kept.id, program_id=program.id)
    assert refused.value.code is StatusCode.NOT_FOUND


async def test_demonstrations_slots_and_steps_have_their_places(neighbours: Neighbours) -> None:
    """What a pipeline's steps say and look for is put there, and taken out again; wrong ones are told by variable."""
    inner, do = await neighbours.made(), neighbours.variables.do
    dataset = dataset_pb2.Dataset(name=f"examples {uuid4()}", input_fields=[field("text")], output_fields=[field("x")])
    dataset = await neighbours.program.do("CreateDataset", CreateDatasetRequest(dataset=dataset))
    text = {"field": "text", "from": "inputs.text"}
    steps = [
        {"name": "tell", "program": {"program_id": inner.id}, "inputs": [text]},
        {"name": "find", "retriever": {"dataset_id": dataset.id}, "inputs": [text | {"field": "query"}]},
    ]
    wanted = program_pb2.Program(name=f"piped {uuid4()}", type=program_pb2.Program.TYPE_PIPELINE)
    wanted.signature_config.CopyFrom(inner.signature_config)
    pipeline = {"steps": steps, "outputs": [{"field": "language", "from": "tell.language"}]}
    ParseDict({"pipeline": pipeline}, wanted.program_config)
    piped = await neighbours.program.do("CreateProgram", CreateProgramRequest(program=wanted))
    source = {"dataset_id": dataset.id, "dataset_revision": 1}
    variables = [
        {"name": "said", "instruction": {"slot": "tell"}},
        {"name": "shown", "demo_set": {"slot": "tell", **source, "max_demonstrations": 4}},
        {"name": "find", "group": {"variables": [{"name": "k", "integer": {"low": 1, "high": 500}}]}},
    ]
    space = await space_of(do, variables)

    async def shown(**inputs: str) -> str:
        value = prompt_value_pb2.PromptValue(variable_space_id=space.id, kind=2)
        demonstration = {"inputs": inputs, "outputs": {"language": "sv", "reasoning": "an och"}}
        value.content.update({**source, "split": "train", "demonstrations": [demonstration]})
        return str((await do("AddPromptValue", AddPromptValueRequest(prompt_value=value))).reference)

    said = await prompt(neighbours, space, "Be brief.")
    kept = await keep(do, space, {"said": said, "shown": await shown(text="och"), "find": {"k": 7}})
    applied = await do("ApplyConfiguration", variable_configuration_id=kept.id, program_id=piped.id)
    assert {each.field for each in applied.changes} == {
        "program_config.slots.tell.instructions",
        "program_config.slots.tell.demonstrations",
        "program_config.pipeline.steps.find.k",
    }
    now = (await neighbours.read(piped)).program_config
    assert now.pipeline.steps[1].retriever.k == 7 and now.slots[0].instructions == "Be brief."
    assert now.slots[0].demonstrations[0].inputs["text"] == "och"
    wrong = await keep(do, space, {"said": said, "shown": await shown(txt="och"), "find": {"k": 300}})
    with pytest.raises(Refused) as refused:
        await do("ApplyConfiguration", variable_configuration_id=wrong.id, program_id=piped.id)
    assert set(refused.value.fields) == {"values.find.k"}
    wrong = await keep(do, space, {"said": said, "shown": await shown(txt="och"), "find": {"k": 3}})
    with pytest.raises(Refused) as refused:
        await do("ApplyConfiguration", variable_configuration_id=wrong.id, program_id=piped.id)
    assert set(refused.value.fields) == {"values.shown"}
    undo = {"previous_program_revision": 1, "program_revision": 2}
    await do("UndoConfiguration", variable_configuration_id=kept.id, program_id=piped.id, **undo)
    assert (await neighbours.read(piped)).content_hash == piped.content_hash
    # What is proposed for a pipeline has its places, too.
    asked = ExtractVariableSpaceRequest(program_id=piped.id, slots=True, dataset_id=dataset.id)
    proposal = (await do("ExtractVariableSpace", asked)).variable_space
    assert [each.name for each in proposal.variables] == ["find", "instruction_tell", "demonstrations_tell"]
