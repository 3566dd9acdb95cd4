"""What a piece of work reads of a training split: the beginning, in order, up to the revision that it pins."""

from typing import Any

import pytest
from ashgrove.program.v1 import dataset_pb2

from framework.testing.workbench import Workbench
from services.program import working
from tests.integration.program.making import add, create_dataset, example


async def test_a_program_learns_from_the_beginning_of_a_split(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length is no matter of memory; what is evaluated is all of a split."""
    dataset = await create_dataset(bench, train=4, validation=3)
    await add(bench, dataset.id, [example(9, dataset_pb2.SPLIT_TRAIN)])
    row: dict[str, Any] = {"organization_id": bench.organization_id, "dataset_id": dataset.id}
    row["dataset_revision"] = dataset.revision

    async def read(split: str = "") -> list[int]:
        database = bench.engine.database
        found = working.examples_of(database, row, split) if split else working.training_of(database, row)
        return [each["position"] for each in await found]

    assert await read() == await read("SPLIT_TRAIN") == [0, 1, 2, 3]
    monkeypatch.setattr(working, "MOST_TRAINING", 3)
    assert await read() == [0, 1, 2]
    assert await read("SPLIT_TRAIN") == [0, 1, 2, 3] and await read("SPLIT_VALIDATION") == [4, 5, 6]
    row["dataset_id"] = None
    assert await read() == []
