"""External runs from the client: ask for trials, evaluate them, tell what they reached."""

import os
import socket
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict

from ashgrove.collection import Listed
from ashgrove.errors import FailedPrecondition
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2

_WAITING = (optimization_run_pb2.OptimizationRun.STATUS_RUNNING, optimization_run_pb2.OptimizationRun.STATUS_PAUSED)
_PAUSED_SECONDS = 2
_MOST = 100


class AskedTrial:
    """A trial that this client has: evaluate `values`, then `tell`."""

    def __init__(self, runs: "Asking", run_id: str, client: str, trial: trial_pb2.Trial, ahead: "Ahead") -> None:
        self.number = trial.number
        self.id = trial.id
        self.values: dict[str, Any] = MessageToDict(trial.configuration)
        self.should_stop = False
        """Whether the service wants clients to stop, as of the last report."""
        self._runs = runs
        self._key = {"id": run_id, "client": client}
        self._ahead = ahead

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
        self.should_stop = self._runs._call(rpc, **self._key, **fields).standing.should_stop
        return self.should_stop


class Asking(Listed[optimization_run_pb2.OptimizationRun]):
    """What `client.runs` can do with external runs."""

    def suggest(self, run_id: str, client: str, count: int = 1, lease_seconds: int = 0) -> pb.SuggestTrialsResponse:
        """Returns the trials that a client has from now on, those that it had before first."""
        fields = {"client": client, "count": count, "lease_seconds": lease_seconds}
        return self._call("SuggestTrials", id=run_id, **fields)  # type: ignore[no-any-return]

    def asking(self, run_id: str, client: str = "", lease_seconds: int = 0, *, ahead: int = 0) -> Iterator[AskedTrial]:
        """Yields one trial after another until the run has ended; waits while there is none, and while it is paused.

        A client that is started again under the same name goes on with the trials that it had. `ahead`, up to 50, asks
        for so many at once, and tells as many in the same call: for trials that take less than a call does. What is not
        told yet is told when the loop is left; of a process that dies it is lost, and its trials are handed on.
        """
        name = client or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        asked = Ahead(self, {"id": run_id, "client": name}, lease_seconds, ahead)
        try:
            while asked.standing.status in _WAITING:
                while asked.ready:
                    yield AskedTrial(self, run_id, name, asked.take(), asked)
                asked.ask()
                if not asked.ready and asked.standing.status in _WAITING:
                    time.sleep(asked.wait_seconds or _PAUSED_SECONDS)
        finally:
            asked.flush()


class Ahead:
    """The trials that a client was given and has not looked at, and those that it evaluated and has not told."""

    def __init__(self, runs: Asking, key: Mapping[str, str], lease_seconds: int, ahead: int) -> None:
        self.ready: deque[trial_pb2.Trial] = deque()
        self.standing = pb.RunStanding(status=optimization_run_pb2.OptimizationRun.STATUS_RUNNING)
        self.wait_seconds = 0
        self._runs, self._key, self._lease_seconds, self._ahead = runs, key, lease_seconds, ahead
        self._taken: set[int] = set()
        self._told: list[pb.TrialCompletion] = []

    def take(self) -> trial_pb2.Trial:
        """Returns the next trial to evaluate."""
        trial = self.ready.popleft()
        self._taken.add(trial.number)
        return trial

    def tell(self, told: pb.TrialCompletion) -> pb.RunStanding:
        """Keeps what a trial reached until there is enough to tell, and tells it."""
        self._taken.discard(told.number)
        self._told = [*(each for each in self._told if each.number != told.number), told]
        if len(self._told) >= self._ahead or not self.ready:
            self.flush(self._wanted if self._ahead else 0)
        return self.standing

    def ask(self) -> None:
        """Gets trials, and tells what is not told yet."""
        if self._told:
            self.flush(self._wanted)
        else:
            answer = self._runs.suggest(self._key["id"], self._key["client"], self._wanted, self._lease_seconds)
            self._hear(answer, answer.trials)

    def flush(self, next_count: int = 0) -> None:
        """Tells everything, and gets trials where some are wanted."""
        told, self._told = self._told, []
        if told:
            answer = self._completed(told, {"next_count": next_count, "lease_seconds": self._lease_seconds})
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
