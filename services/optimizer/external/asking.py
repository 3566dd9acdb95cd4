"""Trials for a client: its own, those that others have left, and new ones, each written down before it is used."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2
from ashgrove.optimizer.v1.external_requests_pb2 import SuggestTrialsRequest, SuggestTrialsResponse
from psycopg.types.json import Jsonb

from domain.sampling import Unsatisfied
from domain.strategies import Exhausted, Observation
from domain.values import Json
from framework.engine import Call
from framework.errors import LimitReached
from framework.identifiers import new_id
from framework.storage import transaction_time
from framework.structs import struct_of
from services.optimizer.external.turn import LEASE_SECONDS, Turn, message, soonest, turn
from services.optimizer.resources import OptimizationRun
from services.optimizer.results import about
from services.optimizer.suggesting import Suggestion

_VERB = "SuggestTrials"
MOST_OPEN = 1000
"""How many trials of a run may be out: whoever takes suggestions and vanishes fills no more than this."""
_ASK_AGAIN_SECONDS = 5
_Event = optimization_run_pb2.RunEvent
_BEGIN = """
INSERT INTO trials (organization_id, id, optimization_run_id, number, configuration, content_hash, status, client,
                    lease_seconds, lease_until, informed_count, pending_then, sampler_version, seed)
VALUES (%(organization)s, %(id)s, %(run)s, %(number)s, %(configuration)s, %(content_hash)s, 'STATUS_RUNNING',
        %(client)s, %(seconds)s, clock_timestamp() + make_interval(secs => %(seconds)s), %(informed_count)s,
        %(pending_then)s, %(sampler_version)s, %(seed)s)
RETURNING *
"""


async def suggest(call: Call, request: SuggestTrialsRequest) -> SuggestTrialsResponse:
    """Returns the trials that a client has from now on; see `SuggestTrials`."""
    async with turn(call, request.id, _VERB) as at:
        if at.status not in ("STATUS_PENDING", "STATUS_RUNNING"):
            return SuggestTrialsResponse(standing=await at.standing())
        await _started(at)
        count = request.count or 1
        known = await _known(at, request, count)
        spent = await at.spent()
        begun: list[dict[str, Any]] = []
        if len(known) < count and not await at.conclude(spent):
            begun = [] if spent else await _begun(at, request, count - len(known))
        trials = [message(each) for each in (*known, *begun)]
        wait = 0
        if len(trials) < count and at.status == "STATUS_RUNNING":
            _refuse_if_full(at, request, trials)
            wait = soonest((each for each in at.open if each["client"] != request.client), _ASK_AGAIN_SECONDS)
        return SuggestTrialsResponse(trials=trials, standing=await at.standing(spent), wait_seconds=wait)


async def _started(at: Turn) -> None:
    if at.status == "STATUS_PENDING":
        began = {"started_at": transaction_time()}
        await at.call.update(OptimizationRun, str(at.row["id"]), began, verb=_VERB, move="start")
        await at.say(_Event(type=_Event.TYPE_RUN_STARTED))
        at.row["status"] = "STATUS_RUNNING"


async def _known(at: Turn, request: SuggestTrialsRequest, count: int) -> list[dict[str, Any]]:
    """Returns the client's own trials, and after them those whose leases have ended, handed on to it."""
    own = [each["number"] for each in at.open if each["client"] == request.client][:count]
    left = [each for each in at.open if each["ended"] and each["client"] != request.client][: count - len(own)]
    seconds = request.lease_seconds or LEASE_SECONDS
    taken = await at.take(request.client, [*own, *(each["number"] for each in left)], seconds)
    await at.say(*(about(each, _Event.TYPE_TRIAL_HANDED_ON) for each in left))
    handed = {each["number"] for each in left}
    await at.tell_of("updated", [message(each) for each in taken if each["number"] in handed])
    for each in at.open:
        if each["number"] in {*own, *handed}:
            each |= {"client": request.client, "ended": False, "seconds": seconds}
    return taken


async def _begun(at: Turn, request: SuggestTrialsRequest, wanted: int) -> list[dict[str, Any]]:
    """Starts trials, as many as there is room for; ends a run that has no other to try."""
    begun: list[tuple[Any, Suggestion]] = []
    error = reason = ""
    for _ in range(_room(at, wanted)):
        try:
            begun.append(await _one(at, request))
        except Exhausted:
            reason = "END_REASON_EXHAUSTED"
            break
        except Unsatisfied as unsatisfied:
            error = f"no further configuration of the space was found: {unsatisfied}"
            break
    rows = [row for asked, _ in begun for row in await at.tx.answer(asked)]
    await at.say(*(_start_of(row) for row in rows))
    await at.tell_of("created", [message(row) for row in rows])
    if at.finished + len(at.open) >= at.row["max_trials"]:
        reason = reason or "END_REASON_TRIALS"
    if error and not at.open:
        await at.end({"status": "STATUS_FAILED", "error": error})
    await at.conclude(reason, open_counts=True)
    return rows


def _room(at: Turn, wanted: int) -> int:
    """Returns how many trials may start; a synchronous run starts none of a batch before all of the last are done."""
    total = at.finished + len(at.open)
    room: int = min(wanted, at.row["max_trials"] - total, (at.row["parallelism"] or MOST_OPEN) - len(at.open))
    if at.row["schedule"] == "SCHEDULE_SYNCHRONOUS":
        batch = at.row["parallelism"] or 1
        room = min(room, -total % batch or (0 if at.open else batch))
    return max(0, room)


async def _one(at: Turn, request: SuggestTrialsRequest) -> tuple[Any, Suggestion]:
    """Chooses one configuration and sends it to be written; it counts as open from here on."""
    warm = await at.warm()
    number = at.finished + len(at.open) + 1
    finished: Sequence[Observation] = []
    pending: list[Mapping[str, Json]] = []
    waiting: list[int] = []
    if warm.suggesting.strategy.learns:
        await warm.learn(at.tx)
        before = _barrier(at, number)
        finished = warm.finished if before is None else [each for each in warm.finished if each.number <= before]
        # What has finished in a synchronous run's batch is unknown to the rest of the batch, but for its values.
        late = [] if before is None else [each for each in warm.finished if each.number > before]
        pending = [*(each.values for each in late), *(each["configuration"] for each in at.open)]
        waiting = [*(each.number for each in late), *(each["number"] for each in at.open)]
    suggestion = await warm.suggesting.next(warm.space, number, finished, pending)
    row = {
        "id": new_id(),
        "number": number,
        "configuration": Jsonb(suggestion.values),
        "content_hash": suggestion.content_hash,
        "client": request.client,
        "seconds": request.lease_seconds or LEASE_SECONDS,
        "informed_count": len(finished),
        "pending_then": Jsonb(waiting),
        "sampler_version": suggestion.sampler_version,
        "seed": suggestion.seed,
    }
    asked = await at.tx.ask(_BEGIN, at.ids | row)
    at.open.append({**row, "configuration": suggestion.values, "ended": False})
    return asked, suggestion


def _barrier(at: Turn, number: int) -> int | None:
    """Returns the last trial that may inform this one in a synchronous run, None in another."""
    if at.row["schedule"] != "SCHEDULE_SYNCHRONOUS":
        return None
    batch = int(at.row["parallelism"] or 1)
    return (number - 1) // batch * batch


def _start_of(row: Mapping[str, Any]) -> _Event:
    event = about(row, _Event.TYPE_TRIAL_STARTED)
    event.configuration.CopyFrom(struct_of(row["configuration"]))
    return event


def _refuse_if_full(at: Turn, request: SuggestTrialsRequest, trials: Sequence[trial_pb2.Trial]) -> None:
    if trials or at.row["parallelism"] or len(at.open) < MOST_OPEN:
        return
    seconds = soonest(at.open, 3600)
    told = f"{len(at.open)} trials of this run are out: complete some, or come back when their leases end"
    raise LimitReached(told, seconds, limit="open_trials", open_trials=str(len(at.open)))
