"""Optimization runs: start, follow, pause, stop, ask for the best."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.areas import OptimizerArea
from ashgrove.asking import Asking
from ashgrove.errors import Unavailable
from ashgrove.objectives import Objective
from ashgrove.optimizer.v1 import (
    optimization_run_pb2,
    pareto_front_pb2,
    run_event_pb2,
    run_report_pb2,
    trial_pb2,
    variable_importance_pb2,
)
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    GetBestConfigurationRequest,
    GetBestConfigurationResponse,
    PromoteOptimizationRunResponse,
)
from ashgrove.optimizer.v1.run_comparison_pb2 import CompareOptimizationRunsResponse
from ashgrove.optimizer.v1.run_estimate_pb2 import EstimateOptimizationRunResponse
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest
from ashgrove.values import numbered
from ashgrove.wanted_runs import configuration_of, limits_of, managed, objectives_of, repeats_of

_Run = optimization_run_pb2.OptimizationRun
_HOLDOUTS = {None: _Run.HOLDOUT_UNSPECIFIED, True: _Run.HOLDOUT_ON, False: _Run.HOLDOUT_OFF}
_PATIENCE_SECONDS = 60.0


class Runs(Asking):
    """The runs that the caller may see."""

    area, noun, plural = OptimizerArea, "OptimizationRun", "optimization_runs"

    def create(
        self,
        program_id: str,
        space_id: str,
        dataset_id: str,
        *,
        strategy: str = "bayesian",
        strategy_options: Mapping[str, Any] | None = None,
        objectives: Sequence[str | Objective] = ("exact_match",),
        max_trials: int = 40,
        parallelism: int = 4,
        seed: int = 0,
        name: str = "",
        limits: Mapping[str, float] | None = None,
        holdout: bool | None = None,
        ablation: str = "share",
        repeats: Mapping[str, int] | None = None,
    ) -> optimization_run_pb2.OptimizationRun:
        """Starts a run; the first objective is what `best` means, and a plain name has the metric's own direction.

        `strategy` is random, bayesian, gaussian_process, evolutionary, cma_es, grid_search, sobol, latin_hypercube
        or bootstrap_random_search;
        `strategy_options` are the fields of its configuration, such as `{"levels": 3}` of a grid search.
        `limits`, such as `{"tokens": 100_000}`, end the run when one of them is reached.
        `holdout` says whether the test split is looked at in the end; by default it is where there is one.
        `ablation` says for how many variables what each earned is found out in the end: share, full or off.
        `repeats`, such as `{"count": 3, "candidates": 5}` or `{}`, evaluates the best afresh before one is named.
        """
        run = managed(
            program_id,
            space_id,
            dataset_id,
            strategy=strategy,
            strategy_options=strategy_options,
            objectives=objectives,
            max_trials=max_trials,
            parallelism=parallelism,
            seed=seed,
            name=name,
            limits=limits_of(limits),
            holdout=_HOLDOUTS[holdout],
            ablation=numbered(_Run.Ablation, ablation),
            repeats=repeats_of(repeats),
        )
        made: optimization_run_pb2.OptimizationRun = self._call("CreateOptimizationRun", optimization_run=run)
        return made

    def estimate(
        self,
        program_id: str,
        space_id: str,
        dataset_id: str,
        *,
        probe: int = 0,
        strategy: str = "bayesian",
        strategy_options: Mapping[str, Any] | None = None,
        objectives: Sequence[str | Objective] = ("exact_match",),
        max_trials: int = 40,
        parallelism: int = 4,
        limits: Mapping[str, float] | None = None,
        repeats: Mapping[str, int] | None = None,
    ) -> EstimateOptimizationRunResponse:
        """Says what such a run would take, and starts none; with `probe` so many examples are run and paid for."""
        run = managed(
            program_id,
            space_id,
            dataset_id,
            strategy=strategy,
            strategy_options=strategy_options,
            objectives=objectives,
            max_trials=max_trials,
            parallelism=parallelism,
            limits=limits_of(limits),
            repeats=repeats_of(repeats),
        )
        found: EstimateOptimizationRunResponse = self._call(
            "EstimateOptimizationRun", optimization_run=run, probe=probe
        )
        return found

    def compare(self, *identifiers: str, objective: str = "") -> CompareOptimizationRunsResponse:
        """Lays runs over the same examples beside each other; the bests are compared with the first run's."""
        found: CompareOptimizationRunsResponse = self._call(
            "CompareOptimizationRuns", optimization_run_ids=identifiers, objective=objective
        )
        return found

    def create_external(
        self,
        space_id: str,
        *,
        objectives: Sequence[str | Objective],
        program_id: str = "",
        strategy: str = "bayesian",
        strategy_options: Mapping[str, Any] | None = None,
        max_trials: int = 40,
        seed: int = 0,
        name: str = "",
    ) -> optimization_run_pb2.OptimizationRun:
        """Opens a run whose trials clients evaluate, with `asking`; each objective says its direction."""
        run = _Run(
            name=name,
            evaluator=_Run.EVALUATOR_EXTERNAL,
            program_id=program_id,
            variable_space_id=space_id,
            strategy=numbered(_Run.Strategy, strategy),
            strategy_configuration=configuration_of(strategy, strategy_options or {}),
            objectives=objectives_of(objectives),
            max_trials=max_trials,
            seed=seed,
        )
        made: optimization_run_pb2.OptimizationRun = self._call("CreateOptimizationRun", optimization_run=run)
        return made

    def watch(self, identifier: str, after: int = 0) -> Iterator[run_event_pb2.RunEvent]:
        """Yields the run's events after a number until it has ended; a broken stream is taken up where it broke."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                for frame in self._stream("WatchOptimizationRun", id=identifier, from_sequence=after):
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

    def pause(self, identifier: str) -> optimization_run_pb2.OptimizationRun:
        """Pauses a run, also in the middle of a trial; what is finished is kept."""
        return self._moved("PauseOptimizationRun", identifier)

    def resume(self, identifier: str) -> optimization_run_pb2.OptimizationRun:
        """Lets a paused run go on in the caller's name."""
        return self._moved("ResumeOptimizationRun", identifier)

    def fork(
        self,
        identifier: str,
        *more: str,
        strategy: str = "",
        strategy_options: Mapping[str, Any] | None = None,
        max_trials: int = 0,
        limits: Mapping[str, float] | None = None,
        seed: int | None = None,
        name: str = "",
    ) -> optimization_run_pb2.OptimizationRun:
        """Starts a run like another one that begins with the complete trials of that one and of more, paid for once."""
        asked: dict[str, Any] = {"id": identifier, "optimization_run_ids": more, "max_trials": max_trials, "name": name}
        if strategy:
            asked["strategy"] = numbered(_Run.Strategy, strategy)
            asked["strategy_configuration"] = configuration_of(strategy, strategy_options or {})
        told = {"seed": seed, "limits": None if limits is None else limits_of(limits)}
        run: optimization_run_pb2.OptimizationRun = self._call(
            "ForkOptimizationRun", **asked, **{name: value for name, value in told.items() if value is not None}
        )
        return run

    def extend(
        self, identifier: str, *, max_trials: int = 0, limits: Mapping[str, float] | None = None, ablation: str = ""
    ) -> optimization_run_pb2.OptimizationRun:
        """Raises limits of a run, such as `{"tokens": 100_000}`; one that they ended goes on in the caller's name.

        With `ablation` alone (share, full or off) a completed run goes on for nothing but that.
        """
        wanted = {"ablation": numbered(_Run.Ablation, ablation)} if ablation else {}
        run: optimization_run_pb2.OptimizationRun = self._call(
            "ExtendOptimizationRun", id=identifier, max_trials=max_trials, limits=limits_of(limits), **wanted
        )
        return run

    def retry(self, identifier: str) -> optimization_run_pb2.OptimizationRun:
        """Lets a failed run go on in the caller's name: what had failed is tried again."""
        return self._moved("RetryOptimizationRun", identifier)

    def cancel(self, identifier: str) -> optimization_run_pb2.OptimizationRun:
        """Stops a run for good; its results are kept."""
        return self._moved("CancelOptimizationRun", identifier)

    def _moved(self, rpc: str, identifier: str) -> optimization_run_pb2.OptimizationRun:
        run: optimization_run_pb2.OptimizationRun = self._call(rpc, id=identifier)
        return run

    def best(
        self,
        identifier: str,
        selection: str = "",
        *,
        weights: Mapping[str, float] | None = None,
        tolerances: Mapping[str, float] | None = None,
        objective: str = "",
    ) -> GetBestConfigurationResponse:
        """Returns the best configuration so far; raises FailedPrecondition while there is none.

        By the first objective or another one, or by a rule over the front: weighted, lexicographic, knee or topsis.
        """
        rule = numbered(GetBestConfigurationRequest.Selection, selection)
        asked = {"selection": rule, "objective": objective, "weights": weights or {}, "tolerances": tolerances or {}}
        best: GetBestConfigurationResponse = self._call("GetBestConfiguration", id=identifier, **asked)
        return best

    def promote(
        self, identifier: str, trial_id: str = "", *, name: str = "", expected_program_revision: int = 0
    ) -> PromoteOptimizationRunResponse:
        """Puts the best trial's values, or another's, into the run's program; raises Aborted when that has changed."""
        asked = {"id": identifier, "trial_id": trial_id, "name": name}
        told: PromoteOptimizationRunResponse = self._call(
            "PromoteOptimizationRun", **asked, expected_program_revision=expected_program_revision
        )
        return told

    def front(self, identifier: str, epsilons: Mapping[str, float] | None = None) -> pareto_front_pb2.ParetoFront:
        """Returns the trials that no other beats in every objective, and how the front came to be.

        With epsilons, by metric, the points are thinned to one for each box of that size.
        """
        front: pareto_front_pb2.ParetoFront = self._call("GetParetoFront", id=identifier, epsilons=epsilons or {})
        return front

    def importance(
        self, *identifiers: str, objective: str = "", method: str = "ped_anova", interactions: bool = False
    ) -> variable_importance_pb2.VariableImportance:
        """Says which variables mattered in runs of one space, by PED-ANOVA or fANOVA, with bootstrap intervals."""
        known = numbered(variable_importance_pb2.AnalyzeVariableImportanceRequest.Method, method)
        found: variable_importance_pb2.VariableImportance = self._call(
            "AnalyzeVariableImportance",
            optimization_run_ids=identifiers,
            objective=objective,
            method=known,
            interactions=interactions,
        )
        return found

    def report(self, identifier: str) -> run_report_pb2.RunReport:
        """Returns what became of a run: the verdict on unseen examples, the price, what changed and what it earned."""
        report: run_report_pb2.RunReport = self._call("GetRunReport", id=identifier)
        return report

    def report_page(self, identifier: str) -> str:
        """Returns the same as one HTML page that needs nothing else."""
        body = self._call("GetRunReportPage", id=identifier)
        return str(body.data.decode())

    def trials(self, identifier: str) -> Iterator[trial_pb2.Trial]:
        """Yields a run's trials by number."""
        request = ListTrialsRequest(optimization_run_id=identifier, order_by="number")
        return self._connection.pages(self._stub.ListTrials, request, "trials")
