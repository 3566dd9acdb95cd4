"""Signs of life: a client keeps its trials for longer, and hears whether it should stop."""

from functools import partial

from ashgrove.optimizer.v1.external_requests_pb2 import RenewTrialsRequest, RenewTrialsResponse

from framework.engine import Call
from framework.resource import action
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import Turn
from services.optimizer.resources import OptimizationRun

_VERB = "RenewTrials"


@action(OptimizationRun, _VERB)
async def renew(call: Call, request: RenewTrialsRequest) -> RenewTrialsResponse:
    """Returns until when the client has its trials; see `RenewTrials`."""
    answer: RenewTrialsResponse = await in_turn(call, request.id, _VERB, partial(_renewed, request=request))
    return answer


async def _renewed(at: Turn, request: RenewTrialsRequest) -> RenewTrialsResponse:
    for number in request.numbers:
        at.held(request.client, number, renewing=True)
    own = [number for number, each in at.open.items() if each["client"] == request.client]
    taken = await at.take(request.client, list(request.numbers) or own, request.lease_seconds)
    answer = RenewTrialsResponse(numbers=[each["number"] for each in taken], standing=at.standing(await at.spent()))
    if taken:
        answer.lease_until.FromDatetime(taken[0]["lease_until"])
    return answer
