"""Schemas over the wire: what is asked of fields that are sent along, and of a program's own."""

import json

import pytest
from ashgrove.program.v1 import schema_requests_pb2 as rpc
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest
from ashgrove.program.v1.signature_pb2 import SignatureConfig, SignatureField
from ashgrove.programs import field
from google.protobuf.struct_pb2 import Struct
from grpc import aio

from framework.errors import InvalidFields
from framework.testing.refusals import Refused
from framework.testing.serving import served
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import create_program, program, working


def struct(**values: object) -> Struct:
    """Returns values as a struct."""
    made = Struct()
    made.update(values)
    return made


async def test_fields_are_inferred_merged_judged_and_written(bench: Workbench) -> None:
    """Each answer is what the next question takes."""
    examples = [struct(text="a", score=1), struct(text="b", score=0.5, tags=["x"])]
    found = (await bench.do("InferSchema", rpc.InferSchemaRequest(examples=examples))).fields
    assert [(each.name, each.type, each.optional) for each in found] == [
        ("score", SignatureField.TYPE_NUMBER, False),
        ("text", SignatureField.TYPE_STRING, False),
        ("tags", SignatureField.TYPE_STRING_LIST, True),
    ]
    more = [field("k", "integer", default=3, minimum=1)]
    merged = (await bench.do("MergeSchemas", rpc.MergeSchemasRequest(fields=found, other_fields=more))).fields
    asked = rpc.ValidateValuesRequest(fields=merged, values=struct(text="a", score="0.5"), lenient=True)
    assert dict((await bench.do("ValidateValues", asked)).values) == {"text": "a", "score": 0.5, "k": 3}
    asked = rpc.ValidateValuesRequest(fields=merged, values=struct(text="a", score="0.5", k=0, old=1))
    told = (await bench.do("ValidateValues", asked)).violations
    assert {(each.path, each.code) for each in told} == {
        ("values.score", "WRONG_TYPE"),
        ("values.k", "OUT_OF_RANGE"),
        ("values.old", "UNKNOWN_NAME"),
    }
    written = await bench.do(
        "WriteJsonSchema", rpc.WriteJsonSchemaRequest(fields=merged, dialect=rpc.SCHEMA_DIALECT_OPENAI)
    )
    assert list(json.loads(written.json_schema)["properties"]) == ["score", "text", "tags", "k"]
    assert [each.path for each in written.losses] == ["k"]


async def test_fields_that_make_no_sense_are_refused_at_their_place(bench: Workbench) -> None:
    """Before anything is made of them."""
    bad = [SignatureField(name="x", type=SignatureField.TYPE_ARRAY)]
    good = SignatureConfig(inputs=[SignatureField(name="x")], outputs=[SignatureField(name="y")])
    for verb, asked, place in [
        ("ValidateValues", rpc.ValidateValuesRequest(fields=bad), "fields[0].items"),
        ("MergeSchemas", rpc.MergeSchemasRequest(fields=good.inputs, other_fields=bad), "other_fields[0].items"),
        (
            "CheckCompatibility",
            rpc.CheckCompatibilityRequest(
                old_signature=good, new_signature=SignatureConfig(inputs=bad, outputs=good.outputs)
            ),
            "new_signature.inputs[0].items",
        ),
    ]:
        with pytest.raises(InvalidFields) as refused:
            await bench.do(verb, asked)
        assert [each.path for each in refused.value.violations] == [place]


async def test_a_programs_schema_is_that_of_the_revision_asked_for(bench: Workbench) -> None:
    """In the dialect asked for."""
    made = await create_program(bench)
    told = await bench.do("GetProgramSchema", rpc.GetProgramSchemaRequest(id=made.id, revision=1))
    assert json.loads(told.outputs_schema)["properties"]["language"]["enum"] == ["sv", "de", "fr", "en"]
    assert json.loads(told.inputs_schema)["required"] == ["text"] and told.revision == 1


async def test_an_execution_keeps_its_inputs_with_their_defaults(bench: Workbench, workshop: Workshop) -> None:
    """What misses the signature is refused, all of it at once."""
    wanted = program()
    wanted.signature_config.inputs.append(field("k", "integer", default=3, maximum=9))
    made = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    async with working(workshop):
        done = await bench.do("ExecuteProgram", ExecuteProgramRequest(program_id=made.id, inputs=struct(text="a")))
    assert dict(done.inputs) == {"text": "a", "k": 3}, done.error
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ExecuteProgram", ExecuteProgramRequest(program_id=made.id, inputs=struct(text=1, k=10)))
    assert {each.path for each in refused.value.violations} == {"inputs.text", "inputs.k"}


async def test_a_stored_signature_of_before_reads_as_it_did(bench: Workbench) -> None:
    """New words about fields stay absent where nobody said them."""
    made = await create_program(bench)
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT signature_config FROM programs WHERE id = %(id)s", {"id": made.id})
    assert row is not None
    assert row["signature_config"]["inputs"] == [{"name": "text"}]
    assert not made.signature_config.inputs[0].HasField("constraints")


async def test_what_cannot_be_read_is_refused_in_words_of_ours(bench: Workbench) -> None:
    """Values deeper than a message can be, and bytes that are none, of every shape of call."""
    deep = rpc.ValidateValuesRequest(fields=[SignatureField(name="a")])
    inner = deep.values
    for _ in range(200):
        inner = inner.fields["a"].struct_value
    async with served(bench) as service:
        with pytest.raises(Refused) as refused:
            await service.as_actor(bench.user).do("ValidateValues", deep)
        faults = [refused.value]
        metadata = (("authorization", f"Bearer {service.issuer.token(bench.user)}"),)
        async with aio.insecure_channel(f"127.0.0.1:{service.port}") as channel:
            for shape, name in (("unary_unary", "GetProgram"), ("unary_stream", "WatchPrograms")):
                call = getattr(channel, shape)(bench.registry.method(name).path)(b"\xff", metadata=metadata)
                with pytest.raises(aio.AioRpcError) as failure:
                    await (call if shape == "unary_unary" else anext(aiter(call)))
                faults.append(Refused.of(failure.value))
            upload = channel.stream_unary(bench.registry.method("UploadExamples").path)
            with pytest.raises(aio.AioRpcError) as failure:
                await upload(iter([b"\xff"]), metadata=metadata)
            faults.append(Refused.of(failure.value))
    for each in faults:
        assert each.reason == "INVALID_FIELD" and "make them flatter" in str(each), each
