"""Programs and datasets: who may do what, and what is refused."""

import asyncio

import pytest
from ashgrove.program.v1 import dataset_pb2, execution_pb2, program_pb2
from ashgrove.program.v1 import dataset_requests_pb2 as dataset_rpc
from ashgrove.program.v1 import execution_requests_pb2 as execution_rpc
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import (
    ArchiveProgramRequest,
    CloneProgramRequest,
    CreateProgramRequest,
    GetProgramRequest,
    ListProgramsRequest,
    UpdateProgramRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import ANONYMOUS, Actor
from framework.errors import (
    AlreadyExists,
    DeadlinePassed,
    IllegalState,
    InvalidFields,
    NotFound,
    NotPermitted,
    StaleEtag,
    Unauthenticated,
)
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import add, create_dataset, create_program, example, program, working

PUBLIC = program_pb2.Program.VISIBILITY_PUBLIC


async def read(bench: Workbench, identifier: str, actor: Actor | None = None, revision: int = 0) -> program_pb2.Program:
    """Reads a program."""
    made: program_pb2.Program = await bench.do("GetProgram", GetProgramRequest(id=identifier, revision=revision), actor)
    return made


async def test_x_11_names_are_unique_among_an_owners_unarchived_programs(bench: Workbench) -> None:
    """Another owner, and an archived program, leave the name free."""
    first = await create_program(bench)
    with pytest.raises(AlreadyExists):
        await create_program(bench)
    await create_program(bench, bench.colleague)
    await bench.do("ArchiveProgram", ArchiveProgramRequest(id=first.id))
    assert (await create_program(bench)).id != first.id


async def test_x_16_a_revision_numbers_content_and_an_etag_locks(bench: Workbench) -> None:
    """Renaming changes the etag only; new instructions are a new revision, and the old one can be read."""
    made = await create_program(bench)
    renamed = await update(bench, program_pb2.Program(id=made.id, name="renamed"), "name")
    assert renamed.revision == 1 and renamed.etag != made.etag
    changed = program_pb2.Program(id=made.id, etag=renamed.etag)
    changed.signature_config.CopyFrom(made.signature_config)
    changed.signature_config.instructions = "Name the language."
    assert (await update(bench, changed, "signature_config")).revision == 2
    with pytest.raises(StaleEtag):
        await update(bench, changed, "signature_config")
    assert (await read(bench, made.id, revision=1)).signature_config.instructions == ""
    with pytest.raises(NotFound):
        await read(bench, made.id, revision=3)


async def update(bench: Workbench, changed: program_pb2.Program, *paths: str) -> program_pb2.Program:
    """Updates a program as the user."""
    request = UpdateProgramRequest(program=changed, update_mask=FieldMask(paths=paths))
    made: program_pb2.Program = await bench.do("UpdateProgram", request)
    return made


async def test_x_17_a_program_belongs_to_its_creator_in_an_organization(bench: Workbench) -> None:
    """Owner, visibility and archival are the server's, whatever the client says."""
    made = await create_program(bench, owner_id=bench.colleague.id)
    assert made.owner_id == bench.user.id
    assert made.visibility == program_pb2.Program.VISIBILITY_PRIVATE
    assert made.status == program_pb2.Program.STATUS_ACTIVE and not made.HasField("archived_at")


async def test_x_23_a_copy_belongs_to_who_copies_and_remembers_its_parent(bench: Workbench) -> None:
    """Description and content are the parent's; scores and visibility are not."""
    parent = await create_program(bench, visibility=PUBLIC, description="tells languages")
    copy = await bench.do("CloneProgram", CloneProgramRequest(id=parent.id, new_name="mine"), bench.colleague)
    assert (copy.name, copy.owner_id, copy.parent_program_id) == ("mine", bench.colleague.id, parent.id)
    assert (copy.description, copy.content_hash) == (parent.description, parent.content_hash)
    assert (copy.visibility, copy.revision) == (program_pb2.Program.VISIBILITY_PRIVATE, 1)
    with pytest.raises(InvalidFields, match="new_name"):
        await bench.do("CloneProgram", CloneProgramRequest(id=parent.id, new_name=" mine "), bench.colleague)


async def test_x_25_archived_programs_are_hidden_from_lists_and_cannot_be_changed(bench: Workbench) -> None:
    """Archiving twice is no error; a list shows them when asked."""
    made = await create_program(bench)
    archive = ArchiveProgramRequest(id=made.id)
    archived = await bench.do("ArchiveProgram", archive)
    assert archived.status == program_pb2.Program.STATUS_ARCHIVED
    assert await bench.do("ArchiveProgram", archive) == archived
    assert not (await bench.do("ListPrograms", ListProgramsRequest())).programs
    assert (await bench.do("ListPrograms", ListProgramsRequest(show_archived=True))).programs == [archived]
    with pytest.raises(IllegalState):
        await update(bench, program_pb2.Program(id=made.id, name="other"), "name")


async def test_x_31_programs_are_read_by_their_owner_and_when_public_by_the_organization(bench: Workbench) -> None:
    """Nobody else knows of them; another organization's administrator does not either."""
    private, public = await create_program(bench), await create_program(bench, name="public", visibility=PUBLIC)
    for reader in (bench.user, bench.admin):
        assert await read(bench, private.id, reader) == private
    for reader in (bench.colleague, bench.viewer):
        assert await read(bench, public.id, reader) == public
        listed = await bench.do("ListPrograms", ListProgramsRequest(), reader)
        assert [p.id for p in listed.programs] == [public.id]
        with pytest.raises(NotFound):
            await read(bench, private.id, reader)
    for stranger in (bench.elsewhere().user, bench.elsewhere().admin):
        with pytest.raises(NotFound):
            await read(bench, public.id, stranger)
    with pytest.raises(Unauthenticated):
        await read(bench, public.id, ANONYMOUS)


async def test_x_32_viewers_create_nothing(bench: Workbench) -> None:
    """Writes need the role of a user; a demoted owner only reads."""
    with pytest.raises(NotPermitted):
        await create_program(bench, bench.viewer)
    made = await create_program(bench)
    demoted = Actor(bench.user.kind, bench.user.id, bench.organization_id, bench.viewer.role)
    assert await read(bench, made.id, demoted) == made
    with pytest.raises(NotPermitted):
        await bench.do("ArchiveProgram", ArchiveProgramRequest(id=made.id), demoted)


async def test_x_33_administrators_bypass_inside_their_organization_only(bench: Workbench) -> None:
    """They may do all with every program of theirs, and know nothing of others'."""
    made = await create_program(bench)
    with pytest.raises(NotFound):
        await bench.do("ArchiveProgram", ArchiveProgramRequest(id=made.id), bench.elsewhere().admin)
    archived = await bench.do("ArchiveProgram", ArchiveProgramRequest(id=made.id), bench.admin)
    assert archived.status == program_pb2.Program.STATUS_ARCHIVED


async def test_x_34_a_colleagues_public_program_is_read_and_not_run_or_changed(bench: Workbench) -> None:
    """Each act has its own rule; what one may see and not do is PERMISSION_DENIED."""
    made = await create_program(bench, visibility=PUBLIC)
    with pytest.raises(NotPermitted):
        await bench.do("ExecuteProgram", execute(made.id), bench.colleague)
    with pytest.raises(NotPermitted):
        await bench.do("ArchiveProgram", ArchiveProgramRequest(id=made.id), bench.colleague)
    with pytest.raises(NotFound):
        await bench.do("ExecuteProgram", execute(made.id), bench.elsewhere().user)


def execute(identifier: str, **inputs: str) -> ExecuteProgramRequest:
    """A request to execute a program."""
    request = ExecuteProgramRequest(program_id=identifier)
    request.inputs.update(inputs or {"text": "Norge och Sverige"})
    return request


async def test_x_21_an_execution_is_checked_run_and_kept(bench: Workbench, workshop: Workshop) -> None:
    """Demonstrations come from the dataset; the caller gets outputs, tokens and price."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    request = execute(made.id)
    request.dataset_id = dataset.id
    request.configuration.update({"demonstration_count": 8})
    async with working(workshop):
        done = await bench.do("ExecuteProgram", request)
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED and done.outputs["language"] == "sv"
    assert done.input_tokens > 0 and done.cost_micros > 0 and done.HasField("completed_at")
    assert await bench.do("GetExecution", execution_rpc.GetExecutionRequest(id=done.id)) == done
    listed = await bench.do("ListExecutions", execution_rpc.ListExecutionsRequest(program_id=made.id))
    assert list(listed.executions) == [done]


async def test_x_21_wrong_inputs_and_configurations_are_refused_with_their_paths(bench: Workbench) -> None:
    """Missing, unknown and ill-typed inputs; parameters that no program has."""
    made = await create_program(bench)
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ExecuteProgram", execute(made.id, words="x"))
    assert {v.path for v in refused.value.violations} == {"inputs.text", "inputs.words"}
    request = execute(made.id, text="x")
    request.configuration.update({"temprature": 1})
    with pytest.raises(InvalidFields, match=r"configuration\.temprature"):
        await bench.do("ExecuteProgram", request)


async def test_an_execution_outlives_the_caller_who_waits_for_it(bench: Workbench, workshop: Workshop) -> None:
    """A deadline ends the waiting; the execution is done all the same."""
    made = await create_program(bench)
    method = bench.registry.method("ExecuteProgram")
    with pytest.raises(DeadlinePassed):
        await bench.engine.unary(method, bench.context(bench.user, "ExecuteProgram", 0.3), execute(made.id))
    request = execution_rpc.ListExecutionsRequest(program_id=made.id)
    async with working(workshop):
        await until(lambda: completed(bench, request))


async def completed(bench: Workbench, request: execution_rpc.ListExecutionsRequest) -> bool:
    """Says whether the latest execution is done."""
    latest = (await bench.do("ListExecutions", request)).executions[0]
    return bool(latest.status == execution_pb2.WORK_STATUS_COMPLETED)


async def test_examples_are_added_all_or_none_as_one_revision(bench: Workbench) -> None:
    """Positions go on, counts fit, and one bad example leaves nothing behind."""
    dataset = await create_dataset(bench, train=3, validation=2)
    assert (dataset.revision, dataset.train_count, dataset.validation_count, dataset.test_count) == (2, 3, 2, 0)
    good, bad = example(0, dataset_pb2.SPLIT_TEST), example(1, dataset_pb2.SPLIT_TEST)
    bad.inputs.fields["text"].number_value = 3
    strange = example(2, dataset_pb2.SPLIT_TEST)
    strange.outputs.update({"taste": "sweet"})
    with pytest.raises(InvalidFields) as refused:
        await add(bench, dataset.id, [good, bad, strange])
    assert {v.path for v in refused.value.violations} == {"examples[1].inputs.text", "examples[2].outputs.taste"}
    bad.inputs["text"] = "a\x00b"
    strange.outputs.fields["taste"].number_value = float("nan")
    with pytest.raises(InvalidFields) as refused:
        await add(bench, dataset.id, [good, bad, strange])
    assert {v.path for v in refused.value.violations} == {"examples[1].inputs.text", "examples[2].outputs.taste"}
    added = await add(bench, dataset.id, [good])
    assert (added.dataset.revision, added.dataset.test_count) == (3, 1)
    assert (added.examples[0].position, added.examples[0].revision) == (5, 3)
    listed = await bench.do("ListExamples", dataset_rpc.ListExamplesRequest(dataset_id=dataset.id, order_by="position"))
    assert [e.position for e in listed.examples] == list(range(6))
    assert listed.examples[5] == added.examples[0]


async def test_two_batches_at_once_are_two_revisions(bench: Workbench) -> None:
    """The second waits for the first: no position is given twice."""
    dataset = await create_dataset(bench, train=0, validation=0)
    batch = [example(i, dataset_pb2.SPLIT_TRAIN) for i in range(20)]
    responses = await asyncio.gather(*(add(bench, dataset.id, batch) for _ in range(3)))
    assert sorted(r.dataset.revision for r in responses) == [2, 3, 4]
    assert sorted(e.position for r in responses for e in r.examples) == list(range(60))


async def test_examples_are_seen_by_those_who_see_their_dataset_and_added_by_its_owner(bench: Workbench) -> None:
    """A private dataset's examples are nobody else's; an archived dataset takes no more."""
    dataset = await create_dataset(bench, visibility=PUBLIC)
    request = dataset_rpc.ListExamplesRequest(dataset_id=dataset.id)
    assert len((await bench.do("ListExamples", request, bench.colleague)).examples) == 20
    private = dataset_rpc.UpdateDatasetRequest(update_mask=FieldMask(paths=["visibility"]))
    private.dataset.id, private.dataset.visibility = dataset.id, program_pb2.Program.VISIBILITY_PRIVATE
    with pytest.raises(NotPermitted):
        await add(bench, dataset.id, [example(0, dataset_pb2.SPLIT_TRAIN)], bench.colleague)
    await bench.do("UpdateDataset", private)
    assert not (await bench.do("ListExamples", request, bench.colleague)).examples
    with pytest.raises(NotFound):
        await add(bench, dataset.id, [example(0, dataset_pb2.SPLIT_TRAIN)], bench.colleague)
    await bench.do("ArchiveDataset", dataset_rpc.ArchiveDatasetRequest(id=dataset.id))
    with pytest.raises(IllegalState):
        await add(bench, dataset.id, [example(0, dataset_pb2.SPLIT_TRAIN)])


async def test_a_signature_with_a_name_used_twice_is_refused(bench: Workbench) -> None:
    """With the place of each use."""
    bad = program()
    bad.signature_config.outputs.add(name="text")
    with pytest.raises(InvalidFields) as refused:
        await bench.do("CreateProgram", CreateProgramRequest(program=bad))
    wanted = {"program.signature_config.inputs[0].name", "program.signature_config.outputs[1].name"}
    assert {v.path for v in refused.value.violations} == wanted


async def test_texts_with_a_nul_are_refused_and_not_a_fault(bench: Workbench) -> None:
    """What PostgreSQL cannot store is the caller's to change."""
    with pytest.raises(InvalidFields):
        await create_program(bench, description="a\x00b")
    bad = program()
    bad.signature_config.instructions = "a\x00b"
    with pytest.raises(InvalidFields):
        await bench.do("CreateProgram", CreateProgramRequest(program=bad))


async def test_what_happens_to_programs_is_told(bench: Workbench, workshop: Workshop) -> None:
    """Creation, executions, denials: each leaves an event, with its actor."""
    made = await create_program(bench, visibility=PUBLIC)
    async with working(workshop):
        await bench.do("ExecuteProgram", execute(made.id))
    with pytest.raises(NotPermitted):
        await bench.do("ExecuteProgram", execute(made.id), bench.colleague)
    told = [(e["type"], e["outcome"], e["actor"]["id"]) for e in await bench.events()]
    assert told == [
        ("program.created", "OK", bench.user.id),
        ("execution.created", "OK", bench.user.id),
        ("execution.updated", "OK", "program"),
        ("execution.denied", "PERMISSION_DENIED", bench.colleague.id),
    ]
