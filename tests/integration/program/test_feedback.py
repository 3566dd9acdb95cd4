"""Feedback on executions: who may give it, what it may say, what becomes of it."""

from dataclasses import replace
from typing import Any

import pytest
from ashgrove.program.v1 import dataset_pb2, execution_pb2, feedback_pb2, program_pb2
from ashgrove.program.v1.dataset_requests_pb2 import GetDatasetRequest, ListExamplesRequest
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest, GetExecutionRequest, ListExecutionsRequest
from ashgrove.program.v1.feedback_requests_pb2 import (
    AddExecutionToDatasetRequest,
    CreateFeedbackRequest,
    UpdateFeedbackRequest,
)
from ashgrove.resource.v1.aggregate_pb2 import AggregateRequest
from ashgrove.resource.v1.requests_pb2 import ActRequest, ListRequest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import Actor
from framework.errors import IllegalState, InvalidFields, NotFound, NotPermitted
from framework.structs import struct_of
from framework.testing.workbench import Workbench
from tests.integration.program.making import create_dataset, create_program

_Feedback = feedback_pb2.Feedback
PUBLIC = program_pb2.Program.VISIBILITY_PUBLIC


async def executed(bench: Workbench, text: str = "hav och fjäll", **columns: Any) -> execution_pb2.Execution:
    """An execution of a public program that has answered `sv`, without a worker."""
    program = await create_program(bench, name=text, visibility=PUBLIC)
    request = ExecuteProgramRequest(program_id=program.id, inputs=struct_of({"text": text}), detached=True)
    begun = await bench.do("ExecuteProgram", request)
    ended = {"status": "'WORK_STATUS_COMPLETED'", "outputs": """'{"language": "sv"}'""", **columns}
    async with bench.database.system() as tx:
        change = ", ".join(f"{name} = {value}" for name, value in ended.items())
        await tx.execute(f"UPDATE executions SET completed_at = now(), {change} WHERE id = %(id)s", {"id": begun.id})
    return await bench.do("GetExecution", GetExecutionRequest(id=begun.id))


async def given(bench: Workbench, execution_id: str, actor: Actor | None = None, **said: Any) -> feedback_pb2.Feedback:
    """Gives feedback."""
    request = CreateFeedbackRequest(feedback=_Feedback(execution_id=execution_id, **said))
    return await bench.do("CreateFeedback", request, actor)


async def added(bench: Workbench, execution_id: str, dataset: dataset_pb2.Dataset, **how: Any) -> Any:
    """Adds an execution to a dataset."""
    request = AddExecutionToDatasetRequest(id=execution_id, dataset_id=dataset.id, **how)
    return await bench.do("AddExecutionToDataset", request)


async def test_whoever_may_read_an_execution_says_what_it_was_worth(bench: Workbench) -> None:
    """A colleague of a public program too; a viewer only reads it, a stranger does not know it."""
    done = await executed(bench)
    mine = await given(bench, done.id, replace(bench.user, credential_id=bench.user.id), score=0.25, comment="hm")
    theirs = await given(bench, done.id, bench.colleague, label="wrong_language")
    judged = await given(bench, done.id, score=0.75, rubric="helpfulness@3")
    assert [one.source for one in (mine, theirs, judged)] == [
        _Feedback.SOURCE_PERSON,
        _Feedback.SOURCE_KEY,
        _Feedback.SOURCE_RUBRIC,
    ]
    assert not mine.key_id and theirs.key_id == bench.colleague.credential_id
    assert theirs.owner_id == bench.colleague.id and theirs.program_id == done.program_id
    seen = (
        await bench.do("ListFeedback", ListRequest(filter=f'program_id = "{done.program_id}"'), bench.viewer)
    ).feedback
    assert {one.id for one in seen} == {mine.id, theirs.id, judged.id}
    with pytest.raises(NotPermitted):
        await given(bench, done.id, bench.viewer, score=1.0)
    with pytest.raises(InvalidFields) as refused:
        await given(bench.elsewhere(), done.id, score=1.0)
    assert [v.path for v in refused.value.violations] == ["feedback.execution_id"]
    mask = FieldMask(paths=["feedback_count", "mean_feedback_score"])
    counted = await bench.do("GetExecution", GetExecutionRequest(id=done.id, read_mask=mask))
    assert (counted.feedback_count, counted.mean_feedback_score) == (3, 0.5)
    found = await bench.do("ListExecutions", ListExecutionsRequest(filter="feedback.label = wrong_language"))
    assert [one.id for one in found.executions] == [done.id]


async def test_only_ones_own_is_changed_and_taken_back(bench: Workbench) -> None:
    """What was taken back counts no more; the trail tells of each step, and neither comment nor correction."""
    done = await executed(bench)
    outputs = struct_of({"language": "de"})
    mine = await given(bench, done.id, score=0.5, comment="a secret of ours", corrected_outputs=outputs)
    change = UpdateFeedbackRequest(feedback=_Feedback(id=mine.id, score=1.0), update_mask=FieldMask(paths=["score"]))
    for rpc, request in (("UpdateFeedback", change), ("ArchiveFeedback", ActRequest(id=mine.id))):
        with pytest.raises(NotPermitted):
            await bench.do(rpc, request, bench.colleague)
        await bench.do(rpc, request)
    measures = AggregateRequest(measures=["count() as n", "avg(score) as mean"], group_by=["label"])
    assert not (await bench.do("AggregateFeedback", measures)).rows
    told = [e for e in await bench.events() if e["resource_id"] == mine.id and e["outcome"] == "OK"]
    assert [event["type"] for event in told] == ["feedback.created", "feedback.updated", "feedback.archived"]
    assert "secret" not in str(told) and "'de'" not in str(told) and all("audit" not in event for event in told)
    back = await bench.do("UnarchiveFeedback", ActRequest(id=mine.id))
    assert back.score == 1.0 and back.comment == mine.comment and back.corrected_outputs == outputs
    (group,) = (await bench.do("AggregateFeedback", measures)).rows
    assert group.values["n"].number_value == 1 and group.values["mean"].number_value == 1.0


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({}, "feedback"),
        ({"score": float("nan")}, "feedback.score"),
        ({"label": " padded "}, "feedback.label"),
        ({"corrected_outputs": struct_of({"language": "fi"})}, "feedback.corrected_outputs.language"),
        ({"corrected_outputs": struct_of({"tongue": "sv"})}, "feedback.corrected_outputs.language"),
    ],
)
async def test_what_it_cannot_say_is_refused_with_its_place(bench: Workbench, said: dict[str, Any], path: str) -> None:
    """Corrections fit the signature of the revision that was executed."""
    done = await executed(bench)
    with pytest.raises(InvalidFields) as refused:
        await given(bench, done.id, **said)
    assert path in [violation.path for violation in refused.value.violations]


async def test_an_execution_becomes_an_example_with_what_should_have_come_out(bench: Workbench) -> None:
    """Its own outputs, those that feedback corrected, or those of the call; the same one is left out when asked."""
    done = await executed(bench)
    dataset = await create_dataset(bench, train=0, validation=0)
    corrected = await given(bench, done.id, corrected_outputs=struct_of({"language": "de"}))
    answers = [
        await added(bench, done.id, dataset),
        await added(bench, done.id, dataset, feedback_id=corrected.id, split=dataset_pb2.SPLIT_TEST),
        await added(bench, done.id, dataset, outputs=struct_of({"language": "fr"})),
    ]
    assert [answer.example.outputs["language"] for answer in answers] == ["sv", "de", "fr"]
    assert [answer.dataset.revision for answer in answers] == [2, 3, 4]
    assert answers[1].example.split == dataset_pb2.SPLIT_TEST and answers[0].example.split == answers[2].example.split
    again = await added(bench, done.id, dataset, skip_duplicate=True)
    assert not again.HasField("example") and again.dataset.revision == 4
    tried = await added(bench, done.id, dataset, validate_only=True)
    assert tried.dataset.revision == 5 and not tried.example.id
    page = await bench.do("ListExamples", ListExamplesRequest(dataset_id=dataset.id, order_by="position"))
    assert [example.id for example in page.examples] == [answer.example.id for answer in answers]
    assert [example.position for example in page.examples] == [answer.example.position for answer in answers]
    assert {example.inputs["text"] for example in page.examples} == {"hav och fjäll"}


async def test_an_example_remembers_the_execution_that_it_was_made_of(bench: Workbench) -> None:
    """One may ask for those of an execution; others have none."""
    done, dataset = await executed(bench), await create_dataset(bench, train=2, validation=0)
    answer = await added(bench, done.id, dataset)
    assert answer.example.execution_id == done.id
    found = []
    for condition in (f'execution_id = "{done.id}"', "NOT execution_id:*"):
        request = ListExamplesRequest(dataset_id=dataset.id, filter=condition)
        found.append([example.id for example in (await bench.do("ListExamples", request)).examples])
    assert found[0] == [answer.example.id] and len(found[1]) == 2


async def test_what_makes_no_example_is_refused_and_adds_nothing(bench: Workbench) -> None:
    """Inputs that were not kept, missing outputs, other shapes, feedback on something else, datasets of others."""
    done = await executed(bench)
    dataset = await create_dataset(bench, train=0, validation=0)
    unkept = await executed(bench, "unkept", inputs="NULL")
    failed = await executed(bench, "failed", status="'WORK_STATUS_FAILED'", outputs="NULL")
    for one, word in ((unkept, "inputs were not kept"), (failed, "no outputs")):
        with pytest.raises(IllegalState, match=word):
            await added(bench, one.id, dataset)
    elsewhere = await given(bench, failed.id, corrected_outputs=struct_of({"language": "de"}))
    silent = await given(bench, done.id, score=1.0)
    for how, path in (
        ({"feedback_id": elsewhere.id}, "feedback_id"),
        ({"feedback_id": silent.id}, "feedback_id"),
        ({"outputs": struct_of({"tongue": "sv"})}, "outputs.language"),
    ):
        with pytest.raises(InvalidFields) as refused:
            await added(bench, done.id, dataset, **how)
        assert path in [violation.path for violation in refused.value.violations]
    request = AddExecutionToDatasetRequest(id=done.id, dataset_id=dataset.id)
    with pytest.raises(NotFound):
        await bench.do("AddExecutionToDataset", request, bench.colleague)  # a private dataset is not theirs
    assert (await bench.do("GetDataset", GetDatasetRequest(id=dataset.id))).revision == 1
