"""The training split of a run's dataset, as demonstrations of what its program takes and gives."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ashgrove.program.v1.dataset_pb2 import Example
from ashgrove.program.v1.dataset_requests_pb2 import ListExamplesRequest
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest

from domain.bootstrapping import Demonstration
from domain.values import Json
from framework.structs import values_of
from services.optimizer.application import Application
from services.optimizer.asking import asking

_PAGE = 1000
Run = Mapping[str, Any]


async def labeled_examples(application: Application, run: Run, revision: int) -> list[Demonstration]:
    """Returns the training examples up to a revision of the dataset, in their order."""
    asked = GetProgramRequest(id=str(run["program_id"]), revision=run["program_revision"])
    program = await asking(
        application, run, "program", lambda caller: application.program.GetProgram(asked, metadata=caller)
    )
    return [_labeled(program, each) async for page in _pages(application, run, revision) for each in page]


async def _pages(application: Application, run: Run, revision: int) -> AsyncIterator[Sequence[Example]]:
    request = ListExamplesRequest(
        dataset_id=str(run["dataset_id"]),
        filter=f"split = SPLIT_TRAIN AND revision <= {revision}",
        order_by="position",
        page_size=_PAGE,
    )
    request.read_mask.paths.extend(("id", "inputs", "outputs"))
    while True:
        page = await asking(
            application, run, "program", lambda caller: application.program.ListExamples(request, metadata=caller)
        )
        yield page.examples
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _labeled(program: Program, example: Example) -> Demonstration:
    """Returns an example as a demonstration of what the program takes and gives: what else it holds is not shown."""
    sides = {"inputs": program.signature_config.inputs, "outputs": program.signature_config.outputs}
    shown: dict[str, Json] = {"example_id": example.id}
    for side, fields in sides.items():
        values = values_of(getattr(example, side))
        shown[side] = {each.name: values[each.name] for each in fields if each.name in values}
    return shown
