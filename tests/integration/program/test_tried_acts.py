"""Actions of a program's and a dataset's own are tried as the standard ones are: answered, and not done."""

import pytest
from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1.dataset_requests_pb2 import BatchCreateExamplesRequest, ListExamplesRequest
from ashgrove.program.v1.program_requests_pb2 import CloneProgramRequest, ListProgramsRequest

from framework.errors import NotFound
from framework.testing.workbench import Workbench
from tests.integration.program.making import create_dataset, create_program, example


async def test_a_copy_that_is_tried_is_none(bench: Workbench) -> None:
    """It has no id, for the real one will have another; its parent's stays."""
    parent = await create_program(bench)
    tried = await bench.do("CloneProgram", CloneProgramRequest(id=parent.id, new_name="copy", validate_only=True))
    assert (tried.id, tried.name, tried.parent_program_id) == ("", "copy", parent.id)
    assert len((await bench.do("ListPrograms", ListProgramsRequest())).programs) == 1


async def test_examples_that_are_tried_are_none_and_those_sent_twice_are_added_once(bench: Workbench) -> None:
    """The answer tells the dataset as it would be."""
    dataset = await create_dataset(bench, train=0, validation=0)
    asked = BatchCreateExamplesRequest(
        dataset_id=dataset.id, examples=[example(0, dataset_pb2.SPLIT_TRAIN)], validate_only=True
    )
    tried = await bench.do("BatchCreateExamples", asked)
    assert tried.dataset.id == dataset.id and tried.dataset.revision == dataset.revision + 1
    assert [one.id for one in tried.examples] == [""]
    once = BatchCreateExamplesRequest(
        dataset_id=dataset.id, examples=[example(0, dataset_pb2.SPLIT_TRAIN)], request_id="once"
    )
    first, again = [await bench.do("BatchCreateExamples", once) for _ in range(2)]
    assert first == again
    kept = await bench.do("ListExamples", ListExamplesRequest(dataset_id=dataset.id))
    assert [one.id for one in kept.examples] == [first.examples[0].id]


async def test_whoever_lost_what_was_acted_on_is_told_no_more_of_it(bench: Workbench) -> None:
    """The answer is kept for a day, and the right to it is looked at each time."""
    dataset = await create_dataset(bench, train=0, validation=0)
    once = BatchCreateExamplesRequest(
        dataset_id=dataset.id, examples=[example(0, dataset_pb2.SPLIT_TRAIN)], request_id="lost"
    )
    await bench.do("BatchCreateExamples", once)
    async with bench.database.system() as tx:
        values = {"owner": bench.colleague.user_id, "id": dataset.id}
        await tx.execute("UPDATE datasets SET owner_id = %(owner)s WHERE id = %(id)s", values)
    with pytest.raises(NotFound):
        await bench.do("BatchCreateExamples", once)
