"""Trials for a client: its own, those that others have left, and new ones."""

from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2, trial_pb2
from ashgrove.optimizer.v1.external_requests_pb2 import SuggestTrialsRequest, SuggestTrialsResponse

from framework.engine import Call
from framework.resource import action
from framework.storage import transaction_time
from services.optimizer.external.beginning import Beginning, refuse_if_full
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import LEASE_SECONDS, Turn, message, soonest
from services.optimizer.resources import OptimizationRun
from services.optimizer.results import about

_VERB = "SuggestTrials"
_ASK_AGAIN_SECONDS = 5
GIVING = ("STATUS_PENDING", "STATUS_RUNNING")
"""Where a run stands while it gives trials out."""
_Event = run_event_pb2.RunEvent


@action(OptimizationRun, _VERB)
async def suggest(call: Call, request: SuggestTrialsRequest) -> SuggestTrialsResponse:
    """Returns the trials that a client has from now on; see `SuggestTrials`."""

    async def given(at: Turn) -> SuggestTrialsResponse:
        given = await given_trials(at, request.client, request.count or 1, request.lease_seconds)
        refuse_if_full(at, given.trials)
        return given

    answer: SuggestTrialsResponse = await in_turn(call, request.id, _VERB, given)
    return answer


async def given_trials(
    at: Turn, client: str, count: int, lease_seconds: int, spent: str | None = None
) -> SuggestTrialsResponse:
    """Gives a client trials: its own, those that others have left, and new ones.

    `spent` says which limit is reached, for who knows it already.
    """
    if at.status not in GIVING:
        return SuggestTrialsResponse(standing=at.standing())
    seconds = lease_seconds or LEASE_SECONDS
    await _started(at)
    known = await _known(at, client, count, seconds)
    spent = await at.spent() if spent is None else spent
    begun, most_seconds = list[trial_pb2.Trial](), _ASK_AGAIN_SECONDS
    if len(known) < count and not await at.conclude(spent) and not spent:
        beginning = await _begun(at, client, count - len(known), seconds)
        begun = beginning.given
        if beginning.copies:  # what was tried already costs nothing, and counts
            spent = await at.spent()
            await at.conclude(spent)
        most_seconds = 1 if beginning.is_cut else _ASK_AGAIN_SECONDS
    trials = [*map(message, known), *begun]
    wait = 0
    if len(trials) < count and at.status == "STATUS_RUNNING":
        wait = soonest((each for each in at.out if each["client"] != client), most_seconds)
    return SuggestTrialsResponse(trials=trials, standing=at.standing(spent), wait_seconds=wait)


async def _started(at: Turn) -> None:
    if at.status == "STATUS_PENDING":
        began = {"started_at": transaction_time()}
        at.is_foreseen = False
        await at.call.update(OptimizationRun, str(at.row["id"]), began, verb=_VERB, move="start")
        await at.say(_Event(type=_Event.TYPE_RUN_STARTED))
        at.row["status"] = "STATUS_RUNNING"


async def _known(at: Turn, client: str, count: int, seconds: int) -> list[dict[str, Any]]:
    """Returns the client's own trials, and after them those whose leases have ended, handed on to it."""
    own = [number for number, each in at.open.items() if each["client"] == client][:count]
    left = [number for number, each in at.open.items() if each["ended"] and each["client"] != client]
    left = left[: count - len(own)]
    taken = await at.take(client, [*own, *left], seconds)
    handed = [each for each in taken if each["number"] in left]
    await at.say(*(about(each, _Event.TYPE_TRIAL_HANDED_ON) for each in handed))
    await at.tell_of("updated", [message(each) for each in handed])
    return taken


async def _begun(at: Turn, client: str, wanted: int, seconds: int) -> Beginning:
    """Starts trials, as many as there is room for; ends a run that has no other to try."""
    beginning = Beginning(at, client, seconds)
    await beginning.fill(wanted)
    reason = beginning.reason
    if at.finished + len(at.open) >= at.most:
        reason = reason or "END_REASON_TRIALS"
    if beginning.error and not at.open:
        await at.end({"status": "STATUS_FAILED", "error": beginning.error})
    await at.conclude(reason, open_counts=True)
    return beginning
