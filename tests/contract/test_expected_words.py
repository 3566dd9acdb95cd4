"""Nobody is told a regular expression: every text with a pattern says in words what it must be like."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from ashgrove.auth.v1 import api_key_pb2
from ashgrove.program.v1 import connector_pb2, execution_requests_pb2, program_pb2
from ashgrove.resource.v1 import options_pb2
from ashgrove.variables.v1 import variable_space_pb2
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2, descriptor_pool

from framework.engine.messages import violations_of
from gateway.envoy.render import descriptors


def fields() -> Iterator[Any]:
    """Yields every field of every message of ours."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors().read_bytes())
    for name in [file.name for file in files.file if file.name.startswith("ashgrove/")]:
        import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        pending = list(descriptor_pool.Default().FindFileByName(name).message_types_by_name.values())
        while pending:
            message = pending.pop()
            pending += message.nested_types
            yield from message.fields


def has_pattern(field: Any) -> bool:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    inner = (rules, rules.repeated.items, rules.map.values)
    return any(one.string.HasField("pattern") for one in inner)


@pytest.mark.parametrize("field", [f for f in fields() if has_pattern(f)], ids=lambda f: f.full_name)
def test_a_pattern_comes_with_words(field: Any) -> None:
    words = field.GetOptions().Extensions[options_pb2.expects]
    assert words.startswith("must be "), "write (ashgrove.resource.v1.expects)"


def test_a_text_is_refused_in_the_words_of_its_field_at_any_depth() -> None:
    key = api_key_pb2.ApiKey(name="a", scopes=["programs:read", "programs:bogus"])
    (fault,) = violations_of(key, "api_key.")
    assert fault.path == "api_key.scopes[1]"
    assert fault.message.startswith("must be the name of an RPC such as `ExecuteProgram`, or a collection")
    space = variable_space_pb2.VariableSpace(name=" padded")
    space.variables.add(name="heat", float=variable_space_pb2.FloatDomain(low=0, high=1))
    space.variables.add(name="part").module.interface = "No!"
    told = {one.path: one.message for one in violations_of(space)}
    assert told["name"] == "must be one line without spaces at its ends"
    deep = [message for path, message in told.items() if path.startswith("variables[1].") and "interface" in path]
    assert deep == ["must be lower-case letters, digits and underscores, 63 at most, a letter first"]


def test_an_enum_is_refused_with_its_names_and_a_oneof_with_its_fields() -> None:
    """Never with a list of numbers, or with words about oneofs."""
    program = program_pb2.Program(name="p", type=99)
    step = program.program_config.pipeline.steps.add(name="a")
    step.inputs.add(field="text")
    step.template.template.messages.add(content="x")
    told = {one.path: one.message for one in violations_of(program)}
    assert told["type"].startswith("must be one of TYPE_PREDICT, ") and "UNSPECIFIED" not in told["type"]
    within = "program_config.pipeline.steps[0]"
    assert told[f"{within}.inputs[0].source"] == "must have one of from, value"
    roles = told[f"{within}.template.template.messages[0].role"]
    assert roles == "must be one of ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT"
    assert told["signature_config"] == "value is required"
    asked = execution_requests_pb2.ExecuteProgramRequest(purpose=connector_pb2.ModelCall.PURPOSE_TEST)
    told = {one.path: one.message for one in violations_of(asked)}
    named = [f"PURPOSE_{name}" for name in ("UNSPECIFIED", "PROGRAM", "JUDGE", "PROPOSER")]
    assert told["purpose"] == f"must be one of {', '.join(named)}"
