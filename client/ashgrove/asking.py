"""External runs from the client: ask for trials, evaluate them, tell what they reached."""

import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict

from ashgrove.collection import Listed
from ashgrove.errors import FailedPrecondition
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2

_WAITING = (optimization_run_pb2.OptimizationRun.STATUS_RUNNING, optimization_run_pb2.OptimizationRun.STATUS_PAUSED)
_PAUSED_SECONDS = 2


class AskedTrial:
    """A trial that this client has: evaluate `values`, then `tell`."""

    def __init__(self, runs: "Asking", run_id: str, client: str, trial: trial_pb2.Trial) -> None:
        self.number = trial.number
        self.id = trial.id
        self.values: dict[str, Any] = MessageToDict(trial.configuration)
        self.should_stop = False
        """Whether the service wants clients to stop, as of the last report."""
        self._runs = runs
        self._key = {"id": run_id, "client": client}

    def tell(self, objectives: Mapping[str, float] | None = None, **facts: Any) -> pb.RunStanding:
        """Tells what the trial reached, or `error="…"`; telling the same again changes nothing.

        `facts` are fields of `TrialCompletion`, such as `infeasible` and `tokens`. A lease that has ended is renewed
        first, as long as no other client has the trial.
        """
        told = pb.TrialCompletion(number=self.number, objectives=objectives or {}, **facts)
        try:
            return self._told(told)
        except FailedPrecondition as lost:
            if lost.metadata.get("lease") != "ENDED":
                raise
            self.renew()
            return self._told(told)

    def _told(self, told: pb.TrialCompletion) -> pb.RunStanding:
        answer = self._runs._call("CompleteTrials", **self._key, completions=[told])
        return answer.standing  # type: ignore[no-any-return]

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

    def asking(self, run_id: str, client: str = "", lease_seconds: int = 0) -> Iterator[AskedTrial]:
        """Yields one trial after another until the run has ended; waits while there is none, and while it is paused.

        A client that is started again under the same name goes on with the trial that it had.
        """
        name = client or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        while True:
            answer = self.suggest(run_id, name, lease_seconds=lease_seconds)
            for trial in answer.trials:
                yield AskedTrial(self, run_id, name, trial)
            if answer.standing.status not in _WAITING:
                return
            if not answer.trials:
                time.sleep(answer.wait_seconds or _PAUSED_SECONDS)
