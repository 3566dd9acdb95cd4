"""Computed fields where they are read: one statement for all that SQL computes, one call for what Python computes."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.errors import InvalidFields
from framework.testing.counting import counted
from framework.testing.specimen import Specimen, message, registry
from framework.testing.workbench import Workbench, workbench


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url) as made:
        yield made


async def made(bench: Workbench, *names: str) -> list[Any]:
    """Returns new specimens of the user's."""
    requests = [message("CreateSpecimenRequest")(specimen=message("Specimen")(name=name)) for name in names]
    return [await bench.do("CreateSpecimen", request) for request in requests]


async def test_a_page_takes_one_statement_and_one_call_of_python(bench: Workbench) -> None:
    """Whatever it computes, and for however many rows."""
    await made(bench, "a", "b", "c")
    sizes: list[int] = []
    formula = Specimen.computed["shout"]

    async def noted(call: Any, specimens: Sequence[Any]) -> Any:
        sizes.append(len(specimens))
        return await formula.compute(call, specimens)

    with patch.dict(Specimen.computed, {"shout": replace(formula, compute=noted)}), counted(bench.database) as sent:
        request = message("ListSpecimensRequest")(page_size=2, read_mask=FieldMask(paths=[*Specimen.computed]))
        page = await bench.do("ListSpecimens", request)
    assert [one.shout for one in page.specimens] == ["C", "B"]
    assert sizes == [2] and len(sent) == 1


async def test_nothing_is_computed_unless_it_is_named(bench: Workbench) -> None:
    """Neither by a read without a mask, nor for an event or what a write returns."""
    with counted(bench.database) as sent:
        (one,) = await made(bench, "a")
        await bench.do("GetSpecimen", message("GetSpecimenRequest")(id=one.id))
        await bench.do("ListSpecimens", message("ListSpecimensRequest")())
    assert not sent.on("pieces")
    (event,) = await bench.events("specimen.created")
    assert not Specimen.computed.keys() & event["data"].keys()


async def test_what_is_computed_is_no_clients_to_write(bench: Workbench) -> None:
    """What a client says about it is ignored, as about everything OUTPUT_ONLY."""
    given = message("Specimen")(name="a", piece_count=7, shout="LOUD")
    one = await bench.do("CreateSpecimen", message("CreateSpecimenRequest")(specimen=given))
    given.id, given.piece_count = one.id, 8
    mask = FieldMask(paths=["name", "piece_count"])
    await bench.do("UpdateSpecimen", message("UpdateSpecimenRequest")(specimen=given, update_mask=mask))
    asked = FieldMask(paths=["piece_count", "shout"])
    read = await bench.do("GetSpecimen", message("GetSpecimenRequest")(id=one.id, read_mask=asked))
    assert (one.piece_count, read.piece_count, read.shout) == (0, 0, "A")


async def test_no_filter_and_no_order_names_what_python_computes(bench: Workbench) -> None:
    """To them it is as unknown as what does not exist."""
    for asked in ({"filter": 'shout = "A"'}, {"order_by": "shout"}):
        with pytest.raises(InvalidFields, match="shout is no field"):
            await bench.do("ListSpecimens", message("ListSpecimensRequest")(**asked))
