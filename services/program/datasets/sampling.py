"""Draws examples at random: by a hash of seed and id, so that the same seed draws the same ones everywhere."""

from collections.abc import Mapping
from typing import Any

from ashgrove.program.v1 import dataset_pb2
from ashgrove.program.v1.example_requests_pb2 import GetExampleSampleRequest, GetExampleSampleResponse

from framework.engine import Call
from framework.errors import NotFound
from framework.resource import action, spec_of
from framework.storage import Transaction, codec_of
from services.program.resources.dataset import Dataset, Example

_USUAL = 50
_VERB = "GetExampleSample"
# MD5 is no secret here, and the only hash that every PostgreSQL computes alike.
_DRAWN = """
SELECT * FROM examples
WHERE organization_id = %(organization_id)s AND dataset_id = %(dataset_id)s AND revision <= %(revision)s
  AND (%(split)s = '' OR split = %(split)s)
ORDER BY md5(%(seed)s || ':' || id::text), id LIMIT %(count)s
"""


@action(Dataset, _VERB)
async def sample(call: Call, request: GetExampleSampleRequest) -> GetExampleSampleResponse:
    """Draws examples at random, the same ones for the same seed."""
    async with call.transaction() as tx:
        row = await call.row(Dataset, request.dataset_id, verb=_VERB)
        drawn = await _sampled(tx, row, request)
    codec = codec_of(spec_of(Example))
    return GetExampleSampleResponse(examples=[codec.message(example) for example in drawn])


async def _sampled(tx: Transaction, dataset: Mapping[str, Any], asked: GetExampleSampleRequest) -> list[dict[str, Any]]:
    """Returns the rows that a request draws of a dataset that its caller may read; NotFound for a revision to come."""
    if asked.dataset_revision > dataset["revision"]:
        raise NotFound("dataset_revision", f"{dataset['id']}@{asked.dataset_revision}")
    names = {
        "organization_id": dataset["organization_id"],
        "dataset_id": dataset["id"],
        "revision": asked.dataset_revision or dataset["revision"],
        "split": dataset_pb2.Split.Name(asked.split) if asked.split else "",
        "seed": str(asked.seed),
        "count": asked.count or _USUAL,
    }
    return await tx.fetch(_DRAWN, names)
