"""External runs from the client: ask for trials, evaluate them, tell what they reached."""

import os
import socket
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ashgrove.collection import Listed
from ashgrove.domains import Choice, Domain, Float, Integer
from ashgrove.errors import AshgroveError, FailedPrecondition, Unavailable
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2
from ashgrove.receiving import Received
from ashgrove.values import to_dict

_WAITING = (optimization_run_pb2.OptimizationRun.STATUS_RUNNING, optimization_run_pb2.OptimizationRun.STATUS_PAUSED)
_PAUSED_SECONDS = 2
_SHORTEST_SECONDS = 1
_MOST = 100


def _name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


class AskedTrial:
    """A trial that this client has: evaluate `values`, then `tell`."""

    def __init__(self, runs: "Asking", run_id: str, client: str, trial: trial_pb2.Trial, ahead: "Ahead") -> None:
        self.number = trial.number
        self.id = trial.id
        self.values: dict[str, Any] = to_dict(trial.configuration)
        self._runs = runs
        self._key = {"id": run_id, "client": client}
        self._ahead = ahead
        self._standing = pb.RunStanding()

    @property
    def should_stop(self) -> bool:
        """Whether the service wants clients to stop, as of the last report."""
        return self._standing.should_stop

    def tell(self, objectives: Mapping[str, float] | None = None, **facts: Any) -> pb.RunStanding:
        """Tells what the trial reached, or `error="…"`; telling the same again changes nothing.

        `facts` are fields of `TrialCompletion`, such as `infeasible` and `tokens`. A lease that has ended is renewed
        first, as long as no other client has the trial. Where trials are asked for ahead, this one may be told with
        others later; the standing is then the last that was heard.
        """
        return self._ahead.tell(pb.TrialCompletion(number=self.number, objectives=objectives or {}, **facts))

    def report(self, step: int, **values: float) -> bool:
        """Tells values from the middle of the trial, renews its lease, and returns whether to stop."""
        measurement = pb.Measurement(step=step, values=values)
        return self._heard("ReportMeasurements", number=self.number, measurements=[measurement])

    def report_examples(self, examples: Sequence[pb.ReportedExample]) -> bool:
        """Tells examples with scores, feedback and traces, renews the lease, and returns whether to stop."""
        return self._heard("ReportExamples", number=self.number, examples=examples)

    def renew(self, seconds: int = 0) -> bool:
        """Keeps the trial for longer, as long as before when nothing is said, and returns whether to stop."""
        return self._heard("RenewTrials", numbers=[self.number], lease_seconds=seconds)

    def _heard(self, rpc: str, **fields: Any) -> bool:
        self._standing = self._runs._call(rpc, **self._key, **fields).standing
        return self.should_stop


class Asking(Listed[optimization_run_pb2.OptimizationRun]):
    """What `client.runs` can do with external runs."""

    def suggest(self, run_id: str, client: str, count: int = 1, lease_seconds: int = 0) -> pb.SuggestTrialsResponse:
        """Returns the trials that a client has from now on, those that it had before first."""
        fields = {"client": client, "count": count, "lease_seconds": lease_seconds}
        return self._call("SuggestTrials", id=run_id, **fields)  # type: ignore[no-any-return]

    def asking(self, run_id: str, client: str = "", lease_seconds: int = 0, *, ahead: int = 1) -> Iterator[AskedTrial]:
        """Yields one trial after another until the run has ended; waits while there is none, and while it is paused.

        A client that is started again under the same name goes on with the trials that it had. The call that tells a
        trial asks for the next one; with `ahead` 0 it does not. More, up to 50, are asked for at once and told in one
        call: for trials that take less than a call does. What is not told yet is told when the loop is left, and what
        was not begun is others' a second later; of a process that dies both wait until their leases end.
        """
        name = client or _name()
        asked = Ahead(self, {"id": run_id, "client": name}, lease_seconds, ahead)
        for trial in asked.each():
            yield AskedTrial(self, run_id, name, trial, asked)

    def receiving(
        self, run_id: str, client: str = "", lease_seconds: int = 0, *, ahead: int = 1
    ) -> Iterator["ReceivedTrial"]:
        """Yields trials as they are sent, until the run has ended: nobody asks, and leases live as long as the process.

        So many at most are `ahead`, up to 100: sent and not told. A stream that breaks is opened again, and goes on
        with the trials that the client has; so does a process that is started again under the same name.
        """
        name = client or _name()
        asked = {"id": run_id, "client": name, "ahead": ahead, "lease_seconds": lease_seconds}
        request = self._request("PushTrials", **asked)
        received = Received(lambda begun: self._connection.stream(self._stub.PushTrials, request, begun))
        told = Ahead(self, {"id": run_id, "client": name}, 0, 0)
        for trial in received.each():
            yield ReceivedTrial(self, run_id, name, trial, told, received)

    def defining(self, run_id: str, client: str = "", lease_seconds: int = 0) -> Iterator["DefinedTrial"]:
        """Yields trials that say what they ask for while they are evaluated, with `suggest_float` and its like.

        What the run's space has not is added to it; the strategy must be random or bayesian.
        """
        name = client or _name()
        asked, known = Ahead(self, {"id": run_id, "client": name}, lease_seconds, 1), dict[str, Domain]()
        for trial in asked.each():
            yield DefinedTrial(self, run_id, name, trial, asked, known)

    def asked(self, run_id: str, client: str, trials: Iterable[trial_pb2.Trial]) -> list[AskedTrial]:
        """Returns trials that a client has, to be evaluated and told."""
        ahead = Ahead(self, {"id": run_id, "client": client}, 0, 0)
        return [AskedTrial(self, run_id, client, trial, ahead) for trial in trials]

    def told(
        self, run_id: str, client: str, number: int, objectives: Mapping[str, float], **facts: Any
    ) -> pb.RunStanding:
        """Tells what a trial reached, as `AskedTrial.tell`, for who knows no more than its number."""
        (trial,) = self.asked(run_id, client, [trial_pb2.Trial(number=number)])
        return trial.tell(objectives, **facts)

    def reports(self, trial_id: str) -> pb.GetTrialReportsResponse:
        """Returns all that was reported of a trial: values by step, and every example in the order of its coming."""
        found = self._call("GetTrialReports", id=trial_id)
        position = found.next_position
        while position:
            more = self._call("GetTrialReports", id=trial_id, from_position=position)
            found.examples.extend(more.examples)
            position = more.next_position
        found.ClearField("next_position")
        return found  # type: ignore[no-any-return]

    def import_trials(self, run_id: str, trials: Sequence[pb.ImportedTrial]) -> int:
        """Takes trials over that were made elsewhere, before the first is asked for; returns how many were new."""
        answer = self._call("ImportTrials", id=run_id, trials=trials)
        return int(answer.added)


class ReceivedTrial(AskedTrial):
    """A trial that was sent: `should_stop` is also what the stream said meanwhile, without a report."""

    def __init__(self, *given: Any) -> None:
        *asked, self._received = given
        super().__init__(*asked)

    @property
    def should_stop(self) -> bool:
        """Whether the service wants clients to stop, as of its last word, in the stream or to a report."""
        return bool(self._received.standing.should_stop)

    def tell(self, objectives: Mapping[str, float] | None = None, **facts: Any) -> pb.RunStanding:
        """Tells what the trial reached, as `AskedTrial.tell`; another one comes by itself."""
        try:
            return super().tell(objectives, **facts)
        finally:
            self._received.forget(self.id)

    def _heard(self, rpc: str, **fields: Any) -> bool:
        self._received.standing = self._runs._call(rpc, **self._key, **fields).standing
        return self.should_stop


class DefinedTrial(AskedTrial):
    """A trial of a define-by-run client: its values are asked for by name, and what it did not ask for is not told."""

    def __init__(self, *given: Any) -> None:
        *asked, self._known = given
        super().__init__(*asked)
        self._used: list[str] = []

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False, step: float = 0.0) -> float:
        """Returns a number of a range."""
        return float(self.suggest(name, Float(low, high, log=log, step=step)))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False, step: int = 0) -> int:
        """Returns a whole number of a range."""
        return int(self.suggest(name, Integer(low, high, log=log, step=step)))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Returns one of some values."""
        found = self.suggest(name, Choice(tuple(choices)))
        return next(each for each in choices if each == found)

    def suggest(self, name: str, domain: Domain) -> Any:
        """Returns a value; raises FailedPrecondition where the run has the variable with another domain."""
        if name not in self.values or self._known.get(name) != domain:
            asked = {**self._key, "number": self.number, "variables": [domain.variable(name)]}
            self.values = to_dict(self._runs._call("ExtendSpace", **asked).trial.configuration)
            self._known[name] = domain
        self._used += [] if name in self._used else [name]
        return self.values[name]

    def tell(self, objectives: Mapping[str, float] | None = None, **facts: Any) -> pb.RunStanding:
        """Tells what the trial reached, as `AskedTrial.tell`, and which variables it used."""
        return super().tell(objectives, **({"used_variables": self._used} | facts))


class Ahead:
    """The trials that a client was given and has not looked at, and those that it evaluated and has not told."""

    def __init__(self, runs: Asking, key: Mapping[str, str], lease_seconds: int, ahead: int) -> None:
        self.ready: deque[trial_pb2.Trial] = deque()
        self.standing = pb.RunStanding(status=optimization_run_pb2.OptimizationRun.STATUS_RUNNING)
        self.wait_seconds = 0
        self._runs, self._key, self._lease_seconds, self._ahead = runs, key, lease_seconds, ahead
        self._taken: set[int] = set()
        self._told: list[pb.TrialCompletion] = []

    def each(self) -> Iterator[trial_pb2.Trial]:
        """Yields trials until the run has ended, or nobody wants more; what is not told by then is told."""
        try:
            while self.standing.status in _WAITING:
                while self.ready:
                    yield self._take()
                self._ask()
                if not self.ready and self.standing.status in _WAITING:
                    time.sleep(self.wait_seconds or _PAUSED_SECONDS)
        finally:
            self._flush()
            self._leave()

    def _leave(self) -> None:
        """Lets others have what was not begun, as soon as a lease can end."""
        left = [trial.number for trial in self.ready]
        if left:
            with suppress(AshgroveError):  # without that it is theirs when the lease ends
                self._runs._call("RenewTrials", **self._key, numbers=left, lease_seconds=_SHORTEST_SECONDS)

    def _take(self) -> trial_pb2.Trial:
        trial = self.ready.popleft()
        self._taken.add(trial.number)
        return trial

    def tell(self, told: pb.TrialCompletion) -> pb.RunStanding:
        """Keeps what a trial reached until there is enough to tell, and tells it."""
        self._taken.discard(told.number)
        self._told = [*(each for each in self._told if each.number != told.number), told]
        if len(self._told) >= self._ahead or not self.ready:
            self._flush(self._wanted if self._ahead else 0)
        return self.standing

    def _ask(self) -> None:
        if self._told:
            self._flush(self._wanted)
        else:
            answer = self._runs.suggest(self._key["id"], self._key["client"], self._wanted, self._lease_seconds)
            self._hear(answer, answer.trials)

    def _flush(self, next_count: int = 0) -> None:
        told, self._told = self._told, []
        if told:
            try:
                answer = self._completed(told, {"next_count": next_count, "lease_seconds": self._lease_seconds})
            except Unavailable:
                self._told = told  # whatever is told next takes it along: told twice it changes nothing
                raise
            self._hear(answer, answer.next if next_count else None)

    @property
    def _wanted(self) -> int:
        # Those that are being evaluated are given again first: they are the client's.
        return min(_MOST, max(1, self._ahead + len(self._taken if self._ahead else ())))

    def _completed(self, told: list[pb.TrialCompletion], wanted: Mapping[str, int]) -> Any:
        renewed = False
        while True:
            try:
                return self._runs._call("CompleteTrials", **self._key, **wanted, completions=told)
            except FailedPrecondition as lost:
                ended = lost.metadata.get("lease")
                if ended == "ENDED" and not renewed:
                    self._runs._call("RenewTrials", **self._key, numbers=[each.number for each in told])
                    renewed = True
                elif ended == "FOREIGN" and len(told) > 1:  # the others are told all the same
                    told = [each for each in told if str(each.number) != lost.metadata["trial_number"]]
                else:
                    raise

    def _hear(self, answer: Any, given: Iterable[trial_pb2.Trial] | None) -> None:
        self.standing, self.wait_seconds = answer.standing, answer.wait_seconds
        if given is not None:
            skipped = self._taken if self._ahead else ()
            self.ready = deque(each for each in given if each.number not in skipped)
        elif self.standing.status not in _WAITING:
            self.ready.clear()
