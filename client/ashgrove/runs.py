"""Optimization runs: start, follow, stop, ask for the best."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from ashgrove.connection import Connection
from ashgrove.errors import Unavailable
from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2
from ashgrove.optimizer.v1 import optimizer_service_pb2 as pb
from ashgrove.optimizer.v1.optimizer_service_pb2_grpc import OptimizerServiceStub

_Run = optimization_run_pb2.OptimizationRun
_PATIENCE_SECONDS = 60.0


class Runs:
    """The runs that the caller may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub: Any = OptimizerServiceStub(connection.channel)

    def create(
        self,
        program_id: str,
        space_id: str,
        dataset_id: str,
        *,
        strategy: str = "bayesian",
        objectives: Sequence[str] = ("exact_match",),
        minimize: Sequence[str] = (),
        max_trials: int = 40,
        parallelism: int = 4,
        seed: int = 0,
        name: str = "",
    ) -> optimization_run_pb2.OptimizationRun:
        """Starts a run; `objectives` are maximised and `minimize` minimised, the first of all being the primary one."""
        up, down = optimization_run_pb2.Objective.DIRECTION_MAXIMIZE, optimization_run_pb2.Objective.DIRECTION_MINIMIZE
        wanted = [optimization_run_pb2.Objective(metric=m, direction=up) for m in objectives]
        wanted += [optimization_run_pb2.Objective(metric=m, direction=down) for m in minimize]
        run = _Run(
            name=name,
            program_id=program_id,
            variable_space_id=space_id,
            dataset_id=dataset_id,
            strategy=_Run.Strategy.Value(f"STRATEGY_{strategy.upper()}"),
            objectives=wanted,
            max_trials=max_trials,
            parallelism=parallelism,
            seed=seed,
        )
        request = pb.CreateOptimizationRunRequest(optimization_run=run)
        made: optimization_run_pb2.OptimizationRun = self._connection.call(self._stub.CreateOptimizationRun, request)
        return made

    def get(self, identifier: str) -> optimization_run_pb2.OptimizationRun:
        """Returns a run."""
        request = pb.GetOptimizationRunRequest(id=identifier)
        found: optimization_run_pb2.OptimizationRun = self._connection.call(self._stub.GetOptimizationRun, request)
        return found

    def list(self, filter: str = "", order_by: str = "") -> Iterator[optimization_run_pb2.OptimizationRun]:
        """Yields runs, page after page."""
        request = pb.ListOptimizationRunsRequest(filter=filter, order_by=order_by)
        return self._connection.pages(self._stub.ListOptimizationRuns, request, "optimization_runs")

    def watch(self, identifier: str, after: int = 0) -> Iterator[optimization_run_pb2.RunEvent]:
        """Yields the run's events after a number until it has ended; a broken stream is taken up where it broke."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                for frame in self._frames(identifier, after):
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                    kind = frame.WhichOneof("frame")
                    if kind == "end":
                        return
                    if kind == "item":
                        after = frame.item.sequence
                        yield frame.item
                broken = Unavailable("the stream ended before the run did; watch the run again later")
            except Unavailable as error:
                broken = error
            if time.monotonic() > deadline:
                raise broken
            time.sleep(0.5)

    def _frames(self, identifier: str, after: int) -> Iterator[pb.WatchOptimizationRunResponse]:
        request = pb.WatchOptimizationRunRequest(id=identifier, from_sequence=after)
        return self._connection.stream(self._stub.WatchOptimizationRun, request)

    def cancel(self, identifier: str) -> optimization_run_pb2.OptimizationRun:
        """Stops a run; its results are kept."""
        request = pb.CancelOptimizationRunRequest(id=identifier)
        run: optimization_run_pb2.OptimizationRun = self._connection.call(self._stub.CancelOptimizationRun, request)
        return run

    def best(self, identifier: str) -> pb.GetBestConfigurationResponse:
        """Returns the best configuration so far; raises FailedPrecondition while there is none."""
        request = pb.GetBestConfigurationRequest(id=identifier)
        best: pb.GetBestConfigurationResponse = self._connection.call(self._stub.GetBestConfiguration, request)
        return best

    def trials(self, identifier: str) -> Iterator[trial_pb2.Trial]:
        """Yields a run's trials by number."""
        request = pb.ListTrialsRequest(optimization_run_id=identifier, order_by="number")
        return self._connection.pages(self._stub.ListTrials, request, "trials")
