"""Examples added as a file: its rows all or none, or the sound ones, as the dataset's next revision."""

from collections.abc import AsyncIterator

from ashgrove.program.v1.example_requests_pb2 import (
    ON_DUPLICATE_SKIP,
    RowFault,
    UploadExamplesRequest,
    UploadExamplesResponse,
)

from framework.engine import Call
from framework.resource import action
from services.program.datasets.appending import append
from services.program.datasets.receiving import Intake, receive
from services.program.resources.dataset import Dataset

_VERB = "UploadExamples"


@action(Dataset, _VERB)
async def upload(
    call: Call, request: UploadExamplesRequest, more: AsyncIterator[UploadExamplesRequest]
) -> UploadExamplesResponse:
    """Adds the rows of a file, all or none or the sound ones, as the dataset's next revision."""
    intake = Intake(await call.get(Dataset, request.dataset_id, verb=_VERB), request)
    try:
        await receive(intake, request, more)
        return await _kept(call, request, intake)
    finally:
        intake.close()


async def _kept(call: Call, request: UploadExamplesRequest, intake: Intake) -> UploadExamplesResponse:
    """Adds what a file brought, unless it was only to be judged."""
    answer = UploadExamplesResponse(
        refused_count=intake.refused,
        faults=[RowFault(row=f.row, column=f.column, expectation=f.expectation) for f in intake.faults],
    )
    if request.validate_only:
        answer.dataset.CopyFrom(await call.get(Dataset, request.dataset_id, verb=_VERB))
        answer.added_count = intake.counts.total()
        return answer
    skip = request.on_duplicate == ON_DUPLICATE_SKIP
    done = await append(call, request.dataset_id, _VERB, intake.lines(), etag=request.etag, skip=skip)
    answer.dataset.CopyFrom(done.dataset)
    answer.added_count, answer.duplicate_count = done.added, done.duplicates
    return answer
