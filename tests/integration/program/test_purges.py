"""Purges of programs and datasets: what is a part of them goes along, what refers to them keeps them."""

from typing import Any

import psycopg
import pytest
from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1.dataset_requests_pb2 import ArchiveDatasetRequest, PurgeDatasetRequest
from ashgrove.program.v1.program_requests_pb2 import ArchiveProgramRequest, CloneProgramRequest, PurgeProgramRequest

from framework.errors import IllegalState
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from tests.integration.program.making import create_dataset, create_program

_EVALUATED = """
INSERT INTO evaluations (organization_id, id, program_id, dataset_id)
VALUES (%(organization)s, %(id)s, %(program)s, %(dataset)s)"""
_BANDS = "SELECT count(*) AS count FROM example_bands WHERE dataset_id = %(id)s"
_COUNT = "SELECT count(*) AS count FROM examples WHERE dataset_id = %(id)s"


async def archived(bench: Workbench, program: Any, dataset: Any) -> None:
    """Puts both away."""
    await bench.do("ArchiveProgram", ArchiveProgramRequest(id=program.id))
    await bench.do("ArchiveDataset", ArchiveDatasetRequest(id=dataset.id))


async def test_a_datasets_examples_go_with_it(bench: Workbench, program_url: str) -> None:
    """And never without it, whoever asks; by what their near-duplicates are found goes, too."""
    gathers = dataset_pb2.SplitRule(likeness=0.8)
    kept, dataset = await create_dataset(bench), await create_dataset(bench, name="to be purged", split_rule=gathers)
    refused = pytest.raises(psycopg.errors.RaiseException, match="never deleted")
    with psycopg.connect(program_url) as superuser, refused:
        superuser.execute("DELETE FROM program.examples WHERE dataset_id = %(id)s", {"id": dataset.id})
    await bench.do("ArchiveDataset", ArchiveDatasetRequest(id=dataset.id))
    await bench.do("PurgeDataset", PurgeDatasetRequest(id=dataset.id), bench.admin)
    async with bench.database.system() as tx:
        counts = [await tx.fetch_one(_COUNT, {"id": one.id}) for one in (dataset, kept)]
        left = await tx.fetch_one(_BANDS, {"id": dataset.id})
    assert counts == [{"count": 0}, {"count": 20}] and left == {"count": 0}


async def test_what_refers_to_a_row_keeps_it_and_is_named(bench: Workbench) -> None:
    """Evaluations keep their program and their dataset; the refusal says so and changes nothing."""
    program, dataset = await create_program(bench), await create_dataset(bench)
    row = {"organization": bench.organization_id, "id": new_id(), "program": program.id, "dataset": dataset.id}
    async with bench.database.system() as tx:
        await tx.execute(_EVALUATED, row)
    await archived(bench, program, dataset)
    for rpc, request in (
        ("PurgeProgram", PurgeProgramRequest(id=program.id)),
        ("PurgeDataset", PurgeDatasetRequest(id=dataset.id)),
    ):
        with pytest.raises(IllegalState) as refused:
            await bench.do(rpc, request, bench.admin)
        assert refused.value.metadata["referred_by"] == "evaluations"
        assert "evaluations" in refused.value.message


async def test_a_copy_keeps_what_it_was_copied_from(bench: Workbench) -> None:
    """It remembers its parent; once the copy is purged, the parent may be."""
    parent = await create_program(bench)
    copy = await bench.do("CloneProgram", CloneProgramRequest(id=parent.id, new_name="copy"))
    for one in (parent, copy):
        await bench.do("ArchiveProgram", ArchiveProgramRequest(id=one.id))
    with pytest.raises(IllegalState) as refused:
        await bench.do("PurgeProgram", PurgeProgramRequest(id=parent.id), bench.admin)
    assert refused.value.metadata["referred_by"] == "programs"
    for one in (copy, parent):
        await bench.do("PurgeProgram", PurgeProgramRequest(id=one.id), bench.admin)
