"""How to make the resources whose messages need more than their bounds say: a parent that exists, fields that fit."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from ashgrove.auth.v1 import user_pb2
from ashgrove.program.v1 import connector_pb2, dataset_pb2, feedback_pb2, program_alias_pb2, program_pb2, signature_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from ashgrove.variables.v1 import component_pb2, variable_configuration_pb2, variable_space_pb2
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from google.protobuf.struct_pb2 import Struct, Value

from framework.resource import Registry, spec_of
from framework.testing.suite import Subject, Subjects
from framework.testing.workbench import Workbench
from services.auth.resources import User
from services.describe import registries
from services.program.resources import Connector, Dataset, Feedback, Program, ProgramAlias
from services.variables.components import Component
from services.variables.presets import VariablePreset
from services.variables.resources import VariableConfiguration, VariableSpace


def migrations(service: str) -> Path:
    """Returns where a service keeps its migrations."""
    return Path("services") / service / "migrations"


async def user(bench: Workbench, number: int) -> user_pb2.User:
    """A colleague of an organization that exists."""
    async with bench.database.system() as tx:
        await tx.execute(
            "INSERT INTO organizations (id, name) VALUES (%(id)s, %(name)s) ON CONFLICT DO NOTHING",
            {"id": bench.organization_id, "name": str(bench.organization_id)},
        )
    role = (user_pb2.User.ROLE_USER, user_pb2.User.ROLE_VIEWER)[number % 2]
    return user_pb2.User(email=f"someone{number}@example.com", name=f"Someone {number // 2}", role=role)


async def variable_space(bench: Workbench, number: int) -> variable_space_pb2.VariableSpace:
    """A space with bounds of its own."""
    made = variable_space_pb2.VariableSpace(
        name=f"space {number}",
        description=f"about {number // 2}",
        visibility=(
            variable_space_pb2.VariableSpace.VISIBILITY_PRIVATE,
            variable_space_pb2.VariableSpace.VISIBILITY_PUBLIC,
        )[number % 2],
    )
    made.variables.add(name="heat", float=variable_space_pb2.FloatDomain(low=0, high=number + 1))
    made.variables.add(name="shots", integer=variable_space_pb2.IntegerDomain(low=0, high=4)).default.number_value = 1
    return made


async def variable_configuration(bench: Workbench, number: int) -> variable_configuration_pb2.VariableConfiguration:
    """A configuration of a space of its own."""
    space = await variable_space(bench, number)
    space.name = f"for {uuid4()}"
    request = CreateVariableSpaceRequest(variable_space=space)
    space = await bench.do("CreateVariableSpace", request)
    made = variable_configuration_pb2.VariableConfiguration(name=f"best {number}", variable_space_id=space.id)
    made.values.update({"heat": number / 4})
    return made


async def component(bench: Workbench, number: int) -> component_pb2.Component:
    """A component with a name of its own."""
    return component_pb2.Component(
        name=f"part{number}",
        interface="reasoning",
        description=f"about {number // 2}",
        capabilities=[f"can{number}"],
        slots={"main": f"path{number}"},
    )


async def program(bench: Workbench, number: int) -> program_pb2.Program:
    """A program with a signature."""
    made = program_pb2.Program(
        name=f"program {number}",
        description=f"about {number // 2}",
        type=program_pb2.Program.TYPE_PREDICT,
        visibility=(program_pb2.Program.VISIBILITY_PRIVATE, program_pb2.Program.VISIBILITY_PUBLIC)[number % 2],
    )
    made.signature_config.instructions = f"Answer {number}."
    made.signature_config.inputs.add(name="question", type=signature_pb2.SignatureField.TYPE_STRING)
    made.signature_config.outputs.add(name="answer", type=signature_pb2.SignatureField.TYPE_STRING)
    return made


async def program_alias(bench: Workbench, number: int) -> program_alias_pb2.ProgramAlias:
    """An alias of a program of its own."""
    wanted = await program(bench, number)
    wanted.name = f"aliased {uuid4()}"
    made = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    target = program_alias_pb2.AliasTarget(revision=1, weight=number + 1)
    return program_alias_pb2.ProgramAlias(program_id=made.id, name=f"stage{number}", targets=[target])


async def feedback(bench: Workbench, number: int) -> feedback_pb2.Feedback:
    """Feedback on an execution of its own, which waits for a worker."""
    wanted = await program(bench, number)
    wanted.name = f"executed {uuid4()}"
    made = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    request = ExecuteProgramRequest(program_id=made.id, detached=True)
    request.inputs.update({"question": "why?"})
    execution = await bench.do("ExecuteProgram", request)
    said = feedback_pb2.Feedback(execution_id=execution.id, score=number / 4, label=f"l{number // 2}")
    said.comment, said.rubric = f"about {number}", f"rule@{number}" if number % 2 else ""
    return said


async def dataset(bench: Workbench, number: int) -> dataset_pb2.Dataset:
    """A dataset without examples."""
    made = dataset_pb2.Dataset(
        name=f"dataset {number}",
        description=f"about {number // 2}",
        visibility=(program_pb2.Program.VISIBILITY_PRIVATE, program_pb2.Program.VISIBILITY_PUBLIC)[number % 2],
    )
    made.input_fields.add(name="question", type=signature_pb2.SignatureField.TYPE_STRING)
    made.output_fields.add(name="answer", type=signature_pb2.SignatureField.TYPE_STRING)
    return made


async def connector(bench: Workbench, number: int) -> connector_pb2.Connector:
    """A connector with a price and limits."""
    made = connector_pb2.Connector(
        name=f"model-{number}",
        description=f"about {number // 2}",
        provider=("openai", "anthropic")[number % 2],
        base_url=f"https://models{number}.example/v1",
        model=f"m{number // 2}",
        headers={"x-team": f"t{number}"},
        secret=f"secret://models/key-{number}",
    )
    made.limits.requests_per_minute = number + 1
    made.timeouts.read_ms = number + 1
    made.capabilities.output_tokens = number + 1
    made.prices.add(input_micros=number, output_micros=number)
    return made


VALUES = Struct(fields={"heat": Value(number_value=0.5)})
_COLD = variable_space_pb2.Variable(name="cold", boolean=variable_space_pb2.BooleanDomain())
_WARM = variable_space_pb2.Variable(name="heat", float=variable_space_pb2.FloatDomain(low=0, high=9))
SPACE_ACTS: dict[str, Any] = {
    "GenerateConfigurations": {"count": 1},
    "StreamConfigurations": {"count": 1},
    "ExportVariableSpace": {"format": 1},
    "ValidateConfiguration": {"values": VALUES},
    "AddVariable": {"variable": _COLD},
    "UpdateVariable": {"name": "heat", "variable": _WARM},
    "RemoveVariable": {"name": "heat"},
    "ReorderVariables": {"names": ["shots", "heat"]},
    "AddConstraint": {"constraint": variable_space_pb2.Constraint(id="warm", expression="heat > 0")},
    "RemoveConstraint": {"constraint_id": "none"},
    "MergeVariableSpaces": {"from_variable_space_id": str(uuid4())},
    "CloneVariableSpace": {"new_name": "copy"},
}
CONFIGURATION_ACTS: dict[str, Any] = {
    "ApplyConfiguration": {"program_id": str(uuid4())},
    "UndoConfiguration": {"program_id": str(uuid4()), "previous_program_revision": 1, "program_revision": 2},
}
CONNECTOR_ACTS: dict[str, Any] = {
    "ShareConnector": {"organization_id": str(uuid4())},
    "UnshareConnector": {"organization_id": str(uuid4())},
}
PROGRAM_ACTS: dict[str, Any] = {
    "CloneProgram": {"new_name": "copy"},
    "ExecuteProgram": {"inputs": VALUES},
    "BatchExecuteProgram": {"inputs": [VALUES]},
    "EvaluateProgram": {"dataset_id": str(uuid4()), "split": dataset_pb2.SPLIT_TRAIN},
}
DATASET_ACTS: dict[str, Any] = {
    "BatchCreateExamples": {
        "examples": [dataset_pb2.Example(split=dataset_pb2.SPLIT_TRAIN, inputs=VALUES, outputs=VALUES)]
    }
}


def of(registry: Registry) -> list[Subject]:
    """Returns the factories of a service."""
    return [one for one in GIVEN if one.resource in registry.specs]


GIVEN = [
    Subject(User, user, as_admin=True),
    Subject(VariableSpace, variable_space, derived=("size",), acts=SPACE_ACTS),
    Subject(VariableConfiguration, variable_configuration, acts=CONFIGURATION_ACTS),
    Subject(Component, component),
    Subject(VariablePreset, derived=("name",)),
    Subject(Connector, connector, acts=CONNECTOR_ACTS, as_admin=True),
    Subject(Program, program, acts=PROGRAM_ACTS),
    Subject(ProgramAlias, program_alias),
    Subject(Feedback, feedback),
    Subject(Dataset, dataset, acts=DATASET_ACTS),
]
"""Every other resource is made from its bounds, and what it must refer to with it."""
SUBJECTS = [Subjects(registry, migrations(registry.service), *of(registry)) for registry in registries()]


def subject(resource: Any, noun: str) -> Subject:
    """Returns a resource as a subject of the suite."""
    return next(s for s in SUBJECTS if resource in s.registry.specs).of(spec_of(resource))
