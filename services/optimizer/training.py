"""Training examples of a run's dataset, as demonstrations of what its program takes and gives."""

from collections.abc import Mapping, Sequence
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

MOST_LABELED, MOST_BYTES = 1000, 32 * 2**20
"""How much of a training split is read to be shown as it is: its beginning, whatever its length."""
_PAGE = 50
Run = Mapping[str, Any]


class Training:
    """What a run may show of its dataset's training split, up to a revision."""

    def __init__(self, application: Application, run: Run, revision: int) -> None:
        self._application = application
        self._run = run
        self._within = f"split = SPLIT_TRAIN AND revision <= {revision}"

    async def first(self) -> list[Demonstration]:
        """Returns the first examples in their order: a thousand, fewer where those come to 32 MiB."""
        request, found, size = self._request(), list[Example](), 0
        while len(found) < MOST_LABELED and size < MOST_BYTES:
            request.page_size = min(_PAGE, MOST_LABELED - len(found))
            page = await self._page(request)
            found += page.examples
            size += page.ByteSize()
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        return await self._shown(found)

    async def named(self, identifiers: Sequence[str]) -> list[Demonstration]:
        """Returns those of some examples that may be shown, in the order of the split."""
        found: list[Example] = []
        for start in range(0, len(identifiers), _PAGE):
            wanted = " OR ".join(f'id = "{each}"' for each in identifiers[start : start + _PAGE])
            found += (await self._page(self._request(f" AND ({wanted})"))).examples
        return await self._shown(found)

    def _request(self, more: str = "") -> ListExamplesRequest:
        request = ListExamplesRequest(
            dataset_id=str(self._run["dataset_id"]), filter=self._within + more, order_by="position", page_size=_PAGE
        )
        request.read_mask.paths.extend(("id", "inputs", "outputs"))
        return request

    async def _page(self, request: ListExamplesRequest) -> Any:
        program = self._application.program
        return await asking(
            self._application, self._run, "program", lambda caller: program.ListExamples(request, metadata=caller)
        )

    async def _shown(self, examples: Sequence[Example]) -> list[Demonstration]:
        if not examples:
            return []
        asked = GetProgramRequest(id=str(self._run["program_id"]), revision=self._run["program_revision"])
        peer = self._application.program
        program = await asking(
            self._application, self._run, "program", lambda caller: peer.GetProgram(asked, metadata=caller)
        )
        return [_labeled(program, each) for each in examples]


def _labeled(program: Program, example: Example) -> Demonstration:
    """Returns an example as a demonstration of what the program takes and gives: what else it holds is not shown."""
    sides = {"inputs": program.signature_config.inputs, "outputs": program.signature_config.outputs}
    shown: dict[str, Json] = {"example_id": example.id}
    for side, fields in sides.items():
        values = values_of(getattr(example, side))
        shown[side] = {each.name: values[each.name] for each in fields if each.name in values}
    return shown
