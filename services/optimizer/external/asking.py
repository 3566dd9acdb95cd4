"""Trials for a client: its own, those that others have left, and new ones, each written down before it is used."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2, trial_pb2
from ashgrove.optimizer.v1.external_requests_pb2 import SuggestTrialsRequest, SuggestTrialsResponse

from domain.sampling import Unsatisfied
from domain.strategies import Exhausted, Observation
from domain.values import Json
from framework.engine import Call
from framework.errors import LimitReached
from framework.identifiers import new_id
from framework.storage import transaction_time
from framework.storage.database import as_json
from framework.structs import struct_of
from services.optimizer.external.turn import LEASE_SECONDS, Turn, in_turn, message, soonest
from services.optimizer.origins import batch_before
from services.optimizer.resources import OptimizationRun
from services.optimizer.results import about

_VERB = "SuggestTrials"
MOST_OPEN = 1000
"""How many trials of a run may be out: whoever takes suggestions and vanishes fills no more than this."""
_ASK_AGAIN_SECONDS = 5
GIVING = ("STATUS_PENDING", "STATUS_RUNNING")
"""Where a run stands while it gives trials out."""
_Event = run_event_pb2.RunEvent
_BEGIN = """
INSERT INTO trials (organization_id, optimization_run_id, id, number, configuration, content_hash, status, client,
                    lease_seconds, lease_until, informed_count, pending_then, sampler_version, seed, space_extensions,
                    origin)
SELECT %(organization)s, %(run)s, begun.id, begun.number, begun.configuration, begun.content_hash, 'STATUS_RUNNING',
       %(client)s, %(seconds)s, clock_timestamp() + make_interval(secs => %(seconds)s), begun.informed_count,
       begun.pending_then, begun.sampler_version, begun.seed, %(extensions)s, 'ORIGIN_SUGGESTED'
FROM jsonb_to_recordset(%(begun)s) AS begun(
    id uuid, number integer, configuration jsonb, content_hash text, informed_count integer, pending_then jsonb,
    sampler_version text, seed bigint)
RETURNING *
"""


async def suggest(call: Call, request: SuggestTrialsRequest) -> SuggestTrialsResponse:
    """Returns the trials that a client has from now on; see `SuggestTrials`."""

    async def given(at: Turn) -> SuggestTrialsResponse:
        given = await given_trials(at, request.client, request.count or 1, request.lease_seconds)
        _refuse_if_full(at, given.trials)
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
    begun: list[dict[str, Any]] = []
    if len(known) < count and not await at.conclude(spent):
        begun = [] if spent else await _begun(at, client, count - len(known), seconds)
    trials = [message(each) for each in (*known, *begun)]
    wait = 0
    if len(trials) < count and at.status == "STATUS_RUNNING":
        wait = soonest((each for each in at.open.values() if each["client"] != client), _ASK_AGAIN_SECONDS)
    return SuggestTrialsResponse(trials=trials, standing=at.standing(spent), wait_seconds=wait)


async def _started(at: Turn) -> None:
    if at.status == "STATUS_PENDING":
        began = {"started_at": transaction_time()}
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


async def _begun(at: Turn, client: str, wanted: int, seconds: int) -> list[dict[str, Any]]:
    """Starts trials, as many as there is room for; ends a run that has no other to try."""
    chosen: list[dict[str, Any]] = []
    error = reason = ""
    for _ in range(_room(at, wanted)):
        try:
            chosen.append(await _one(at, client, seconds))
        except Exhausted:
            reason = "END_REASON_EXHAUSTED"
            break
        except Unsatisfied as unsatisfied:
            error = f"no further configuration of the space was found: {unsatisfied}"
            break
    rows = await _written(at, client, seconds, chosen) if chosen else []
    if at.finished + len(at.open) >= at.most:
        reason = reason or "END_REASON_TRIALS"
    if error and not at.open:
        await at.end({"status": "STATUS_FAILED", "error": error})
    await at.conclude(reason, open_counts=True)
    return rows


async def _written(at: Turn, client: str, seconds: int, chosen: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Writes trials down and tells of them; returns their rows."""
    begun = {"client": client, "seconds": seconds, "extensions": at.row["space_extensions"], "begun": as_json(chosen)}
    asked = await at.tx.ask(_BEGIN, at.ids | begun)
    await at.say(*(_start_of(each) for each in chosen))
    rows = sorted(await at.tx.answer(asked), key=lambda row: int(row["number"]))
    for row in rows:
        at.open[row["number"]] |= row
    await at.tell_of("created", [message(row) for row in rows])
    return rows


def _room(at: Turn, wanted: int) -> int:
    """Returns how many trials may start; a synchronous run starts none of a batch before all of the last are done."""
    total = at.finished + len(at.open)
    room: int = min(wanted, at.most - total, (at.row["parallelism"] or MOST_OPEN) - len(at.open))
    if at.row["schedule"] == "SCHEDULE_SYNCHRONOUS":
        batch = at.row["parallelism"] or 1
        room = min(room, -total % batch or (0 if at.open else batch))
    return max(0, room)


async def _one(at: Turn, client: str, seconds: int) -> dict[str, Any]:
    """Chooses one configuration and returns what is to be written of it; it counts as open from here on."""
    warm = await at.warm()
    number = at.finished + len(at.open) + 1
    finished: Sequence[Observation] = []
    pending: list[Mapping[str, Json]] = []
    waiting: list[int] = []
    if warm.suggesting.strategy.learns:
        await warm.learn(at.tx, at.finished)
        before = _barrier(at, number)
        finished = warm.finished if before is None else [each for each in warm.finished if each.number <= before]
        # What has finished in a synchronous run's batch is unknown to the rest of the batch, but for its values.
        late = [] if before is None else [each for each in warm.finished if each.number > before]
        pending = [*(each.values for each in late), *(each["configuration"] for each in at.open.values())]
        waiting = [*(each.number for each in late), *at.open]
    suggestion = await warm.suggesting.next(warm.space, number, finished, pending)
    chosen = {
        "id": new_id(),
        "number": number,
        "configuration": suggestion.values,
        "content_hash": suggestion.content_hash,
        "informed_count": len(finished),
        "pending_then": waiting,
        "sampler_version": suggestion.sampler_version,
        "seed": suggestion.seed,
    }
    at.open[number] = chosen | {"client": client, "ended": False, "seconds": seconds}
    return chosen


def _barrier(at: Turn, number: int) -> int | None:
    """Returns the last trial that may inform this one in a synchronous run, None in another."""
    if at.row["schedule"] != "SCHEDULE_SYNCHRONOUS":
        return None
    batch = int(at.row["parallelism"] or 1)
    return batch_before(number, batch, at.row["inherited_trials"])


def _start_of(row: Mapping[str, Any]) -> _Event:
    event = about(row, _Event.TYPE_TRIAL_STARTED)
    event.configuration.CopyFrom(struct_of(row["configuration"]))
    return event


def _refuse_if_full(at: Turn, trials: Sequence[trial_pb2.Trial]) -> None:
    if trials or at.status != "STATUS_RUNNING" or at.row["parallelism"] or len(at.open) < MOST_OPEN:
        return
    seconds = soonest(at.open.values(), 3600)
    told = f"{len(at.open)} trials of this run are out: complete some, or come back when their leases end"
    raise LimitReached(told, seconds, limit="open_trials", open_trials=str(len(at.open)))
