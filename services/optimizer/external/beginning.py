"""New trials of an external run: chosen one by one, written down before they are used, copies of old ones left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1 import run_event_pb2, trial_pb2

from domain.sampling import Unsatisfied
from domain.strategies import Exhausted, Observation
from domain.values import Json
from framework.errors import LimitReached
from framework.identifiers import new_id
from framework.storage.database import as_json
from framework.structs import struct_of
from services.optimizer.external.copying import is_all_tried, original
from services.optimizer.external.ending import copied, finish
from services.optimizer.external.rows import begun
from services.optimizer.external.turn import Turn, message, soonest
from services.optimizer.origins import COPIED, batch_before
from services.optimizer.results import about
from services.optimizer.telling import descend, step
from services.optimizer.trial_rows import BEGIN

MOST_OPEN = 1000
"""How many trials of a run may be out: whoever takes suggestions and vanishes fills no more than this."""
MOST_COPIES = 50
"""How many copies a turn makes at most: whoever asks is to ask again then, and the run comes to its end by them."""
_Event = run_event_pb2.RunEvent
_NOBODYS = {"client": "", "seconds": 0, "origin": COPIED}


class Beginning:
    """What one client's turn begins, and why it began no more than that."""

    def __init__(self, at: Turn, client: str, seconds: int) -> None:
        self.given: list[trial_pb2.Trial] = []
        """The client's new trials."""
        self.copies = 0
        """How many trials were begun besides that are copies of others."""
        self.reason = self.error = ""
        """Why the run has nothing else to try, as its end reason has it, or why nothing else was found."""
        self._at, self._lease = at, {"client": client, "seconds": seconds, "origin": "ORIGIN_SUGGESTED"}
        self._begun: list[dict[str, Any]] = []

    @property
    def is_cut(self) -> bool:
        """Whether there was more to try, but so many copies in between that others were to have their turn."""
        return self.copies >= MOST_COPIES

    async def fill(self, wanted: int) -> None:
        """Begins trials until the client has so many new ones, or there are no more."""
        while wanted > 0 and _room(self._at) and not self.is_cut:
            try:
                chosen = await _choice(self._at)
            except Exhausted:
                self.reason = "END_REASON_EXHAUSTED"
                break
            except Unsatisfied as unsatisfied:
                self.error = f"no further configuration of the space was found: {unsatisfied}"
                break
            same = await original(self._at, chosen["content_hash"])
            if same is None:
                self._take(chosen | self._lease)
                wanted -= 1
            elif await is_all_tried(self._at):
                self.reason = "END_REASON_EXHAUSTED"
                break
            else:
                await self._copy(chosen, same)
        await self._write()

    def _take(self, chosen: dict[str, Any]) -> None:
        """Counts a trial as open from here on."""
        row = begun(self._at.row, chosen, self._at.clock)
        self._begun.append(row)
        self._at.open[chosen["number"]] = row | {"ended": False, "seconds": chosen["seconds"]}

    async def _copy(self, chosen: dict[str, Any], same: Mapping[str, Any]) -> None:
        """Begins a trial that is a copy; where its original has ended it ends with it, else it waits for that."""
        self.copies += 1
        self._take(chosen | _NOBODYS | {"origin_trial_number": same["number"]})
        if same["status"] != "STATUS_RUNNING":
            await self._write()
            await finish(self._at, [copied(self._at, chosen["number"], same)])

    async def _write(self) -> None:
        """Writes down what was chosen, and tells of it."""
        rows, self._begun, at = self._begun, [], self._at
        if not rows:
            return
        written = {"extensions": at.row["space_extensions"], "begun": as_json(rows)}
        await at.tx.send(BEGIN, at.ids | written)
        await at.say(*await _told(at, rows))
        trials = [message(row) for row in rows]
        await at.tell_of("created", trials)
        self.given += [trial for trial, row in zip(trials, rows, strict=True) if row["origin"] != COPIED]


def _room(at: Turn) -> int:
    """Returns how many trials may start; a synchronous run starts none of a batch before all of the last are done."""
    total = at.finished + len(at.open)
    room: int = min(at.most - total, (at.row["parallelism"] or MOST_OPEN) - len(at.out))
    if at.row["schedule"] == "SCHEDULE_SYNCHRONOUS":
        batch = at.row["parallelism"] or 1
        room = min(room, -total % batch or (0 if at.open else batch))
    return max(0, room)


async def _choice(at: Turn) -> dict[str, Any]:
    """Chooses one configuration, and returns what is to be written of it."""
    warm = await at.warm()
    number = at.finished + len(at.open) + 1
    finished: Sequence[Observation] = []
    pending: list[Mapping[str, Json]] = []
    waiting: list[int] = []
    if warm.looks_back:
        await warm.learn(at.tx, at.finished)
    if warm.suggesting.strategy.learns:
        before = _barrier(at, number)
        finished = warm.finished if before is None else [each for each in warm.finished if each.number <= before]
        # What has finished in a synchronous run's batch is unknown to the rest of the batch, but for its values.
        late = [] if before is None else [each for each in warm.finished if each.number > before]
        pending = [*(each.values for each in late), *(each["configuration"] for each in at.open.values())]
        waiting = [*(each.number for each in late), *at.open]
    suggestion = await warm.suggesting.next(warm.space, number, finished, pending)
    return {
        "id": new_id(),
        "number": number,
        "configuration": suggestion.values,
        "content_hash": suggestion.content_hash,
        "informed_count": len(finished),
        "pending_then": waiting,
        "sampler_version": suggestion.sampler_version,
        "seed": suggestion.seed,
    }


def _barrier(at: Turn, number: int) -> int | None:
    """Returns the last trial that may inform this one in a synchronous run, None in another."""
    if at.row["schedule"] != "SCHEDULE_SYNCHRONOUS":
        return None
    batch = int(at.row["parallelism"] or 1)
    return batch_before(number, batch, at.row["inherited_trials"])


async def _told(at: Turn, chosen: Sequence[Mapping[str, Any]]) -> list[_Event]:
    """Returns what is to be told of trials that begin: with what they are like, and the batch that they begin."""
    members = await (await at.warm()).results.front.members_at(at.tx, at.row["front_version"])
    events: list[_Event] = []
    for each in chosen:
        event = about(each, _Event.TYPE_TRIAL_STARTED)
        event.configuration.CopyFrom(struct_of(each["configuration"]))
        descend(event, each["configuration"], members, each["origin_trial_number"])
        events += [*step(at.row, each["number"]), event]
    return events


def refuse_if_full(at: Turn, given: Sequence[trial_pb2.Trial]) -> None:
    """Raises LimitReached for a client that was given nothing because others have all that may be out."""
    if given or at.status != "STATUS_RUNNING" or at.row["parallelism"] or len(at.out) < MOST_OPEN:
        return
    seconds = soonest(at.out, 3600)
    told = f"{len(at.out)} trials of this run are out: complete some, or come back when their leases end"
    raise LimitReached(told, seconds, limit="open_trials", open_trials=str(len(at.out)))
