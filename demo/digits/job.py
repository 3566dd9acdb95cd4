"""The steps of the second job, each a few lines of the public client."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

from ashgrove.client import Client
from ashgrove.objectives import Objective
from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun
from ashgrove.optimizer.v1.trial_pb2 import Trial
from ashgrove.program.v1.execution_pb2 import WORK_STATUS_COMPLETED, Evaluation
from ashgrove.programs import field
from ashgrove.values import to_dict
from rich.console import Console

from demo.digits.images import DIGITS, load
from demo.digits.space import SPACE
from demo.progress import FrontSoFar, bars, follow
from demo.steps import Setting, described_size, upload

TRIALS = 60
# The hypervolume is measured from a classifier that is no better than a single tree and as large as all the training
# images are when they are simply kept.
REFERENCE = {"exact_match": 0.8, "kilobytes": 300.0}
OBJECTIVES = [Objective(metric, reference=worst) for metric, worst in REFERENCE.items()]


@dataclass(frozen=True)
class Member:
    """A trial on the front; latencies are medians, in milliseconds."""

    number: int
    accuracy: float
    kilobytes: float
    latency_in_run: float
    latency_alone: float
    accuracy_on_test: float
    configuration: dict[str, Any]


@dataclass(frozen=True)
class Searched:
    """A finished run: what every trial reached, as (kilobytes, accuracy), and the members of its front by accuracy."""

    run_id: str
    trials: list[tuple[float, float]]
    seconds: float
    hypervolume: float
    front: list[Member]


def prepare(client: Client, console: Console) -> Setting:
    """Uploads the images, declares the program by its entry point, and its space."""
    suffix = uuid.uuid4().hex[:8]  # so that the demo can run twice
    image = field("image", description="eight lines of eight shades, from 0 (paper) to g (ink)")
    digit = field("digit", choices=DIGITS)
    dataset = client.datasets.create(f"digits {suffix}", inputs=[image], outputs=[digit])
    upload(client, dataset.id, load(), console)
    program = client.programs.create(
        f"reader of digits {suffix}", inputs=[image], outputs=[digit], entry_point="digits-classifier@1"
    )
    space = client.spaces.create(f"classifiers {suffix}", SPACE)
    console.print(described_size(space))
    return Setting(program.id, space.id, dataset.id)


def search(client: Client, setting: Setting, console: Console) -> Searched:
    """Runs the optimization, draws it live and measures its front; raises SystemExit when it did not complete."""
    began = time.monotonic()
    run = client.runs.create(
        setting.program_id,
        setting.space_id,
        setting.dataset_id,
        objectives=OBJECTIVES,
        max_trials=TRIALS,
        parallelism=4,
        holdout=False,  # every member of the front is looked at below
    )
    last = follow(client.runs.watch(run.id), TRIALS, console, FrontSoFar())
    seconds = round(time.monotonic() - began, 1)
    run = client.runs.get(run.id)
    if run.status != OptimizationRun.STATUS_COMPLETED or run.failed_trials:
        why = run.error or last.error or f"{run.failed_trials} trials failed; see `make logs`"
        raise SystemExit(f"demo: the run over digits did not complete: {why}")
    trials = {trial.number: trial for trial in client.runs.trials(run.id)}
    front = client.runs.front(run.id)
    members = _measured(client, setting, [trials[point.trial_number] for point in front.points], console)
    reached = [(t.objectives["kilobytes"], t.objectives["exact_match"]) for t in trials.values()]
    return Searched(run.id, reached, seconds, front.hypervolume, members)


def _measured(client: Client, setting: Setting, trials: list[Trial], console: Console) -> list[Member]:
    """Measures each member of the front again, one after the other, on images that no trial has seen."""
    members = []
    with bars(console) as progress:
        for trial in progress.track(trials, description="the front, measured alone"):
            configuration = to_dict(trial.configuration)
            alone = client.programs.evaluate(setting.program_id, setting.dataset_id, "test", configuration).wait()
            members.append(_member(trial, configuration, client.evaluations.get(trial.evaluation_id), alone))
    return sorted(members, key=lambda m: m.kilobytes)


def _member(trial: Trial, configuration: dict[str, Any], in_run: Evaluation, alone: Evaluation) -> Member:
    if alone.status != WORK_STATUS_COMPLETED or alone.failed_count:
        raise SystemExit(f"demo: trial {trial.number} could not be measured again: {alone.error}")
    return Member(
        trial.number,
        trial.objectives["exact_match"],
        trial.objectives["kilobytes"],
        in_run.latency_p50_ms,
        alone.latency_p50_ms,
        alone.scores["exact_match"],
        configuration,
    )
