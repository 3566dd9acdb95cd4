"""The steps of the main job, each a few lines of the public client."""

import time
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from ashgrove.client import Client
from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure
from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun
from ashgrove.program.v1.execution_pb2 import WORK_STATUS_COMPLETED, Evaluation
from ashgrove.programs import field
from ashgrove.spaces import Choice, Domain, Float, Integer
from ashgrove.values import to_dict
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from rich.console import Console

from demo import territories
from demo.progress import bars, best_so_far, follow

TRIALS = 40
# Every default is the baseline's: a program without demonstrations and without rules.
SPACE: dict[str, Domain] = {
    "demonstration_count": Integer(0, 64, default=0),
    "demonstration_selection": Choice(["first", "random", "balanced", "nearest"], default="first"),
    "demonstration_order": Choice(["as_selected", "reversed", "by_label", "most_similar_last"], default="as_selected"),
    "rule_count": Integer(0, 120, default=0),
    # On a grid, so that exactly 0, the likeliest answer, is among what is tried.
    "temperature": Float(0.0, 1.0, step=0.1, default=0.0),
}


@dataclass(frozen=True)
class Setting:
    """What a run is about."""

    program_id: str
    space_id: str
    dataset_id: str


def prepare(client: Client, console: Console) -> Setting:
    """Uploads the data, declares the program and its space."""
    suffix = uuid.uuid4().hex[:8]  # so that the demo can run twice
    text = field("text", description="two territories, joined as a language joins them")
    language = field("language", choices=territories.LANGUAGES, description="that language's code")
    dataset = client.datasets.create(f"territories {suffix}", inputs=[text], outputs=[language])
    upload(client, dataset.id, territories.load(), console)
    program = client.programs.create(
        f"language of territories {suffix}",
        instructions="Say in which language the two territories are named.",
        inputs=[text],
        outputs=[language],
    )
    space = client.spaces.create(f"prompt {suffix}", SPACE)
    console.print(described_size(space))
    return Setting(program.id, space.id, dataset.id)


class Splits(Protocol):
    """Examples in three parts."""

    @property
    def train(self) -> list[dict[str, Any]]:
        """What programs learn from."""

    @property
    def validation(self) -> list[dict[str, Any]]:
        """What runs are steered by."""

    @property
    def test(self) -> list[dict[str, Any]]:
        """What no trial sees."""


def upload(client: Client, dataset_id: str, splits: Splits, console: Console) -> None:
    """Uploads examples, a bar for each split."""
    with bars(console) as progress:
        for name, examples in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
            task = progress.add_task(f"{name} examples", total=len(examples))
            client.datasets.add_examples(dataset_id, name, examples, partial(progress.advance, task))


def described_size(space: VariableSpace) -> str:
    """Returns how large a space is, in words."""
    size = f"{space.size.discrete_cardinality} combinations, and {space.size.continuous_dimensions} continuous"
    return f"space: {len(space.variables)} variables, {size}"


def baseline(client: Client, setting: Setting, console: Console) -> float:
    """Evaluates the defaults of the space on validation; returns the accuracy."""
    with bars(console) as progress:
        task = progress.add_task("baseline on validation", total=None)
        evaluated = client.programs.evaluate(setting.program_id, setting.dataset_id, "validation", {})
        for _ in evaluated:
            progress.update(task, advance=1, total=evaluated.evaluation.example_count)
    return _accuracy(evaluated.evaluation, "baseline on validation")


def _accuracy(evaluation: Evaluation, what: str) -> float:
    """Returns the accuracy; a failed evaluation or example is an error here, never a low score."""
    if evaluation.status != WORK_STATUS_COMPLETED or evaluation.failed_count:
        why = evaluation.error or f"{evaluation.failed_count} of {evaluation.example_count} examples failed"
        raise SystemExit(f"demo: {what} did not complete: {why}")
    return evaluation.scores["exact_match"]


@dataclass(frozen=True)
class Searched:
    """A finished run."""

    run_id: str
    trials: int
    seconds: float
    configuration: dict[str, Any]
    validation: float
    """What the best came to on the examples that chose it."""
    unseen: HoldoutFigure
    """What baseline and best came to in the run's last look, on examples that no trial has seen."""


def search(client: Client, setting: Setting, console: Console) -> Searched:
    """Runs the optimization and draws it live; raises SystemExit when it did not complete."""
    began = time.monotonic()
    run = client.runs.create(setting.program_id, setting.space_id, setting.dataset_id, max_trials=TRIALS, parallelism=4)
    last = follow(client.runs.watch(run.id), TRIALS, console, best_so_far)
    seconds = round(time.monotonic() - began, 1)
    run = client.runs.get(run.id)
    if run.status != OptimizationRun.STATUS_COMPLETED or run.failed_trials or not run.holdout_result.figures:
        why = (
            run.error or last.error or run.holdout_result.error or f"{run.failed_trials} trials failed; see `make logs`"
        )
        raise SystemExit(f"demo: the run did not complete: {why}")
    best = client.runs.best(run.id)
    (figure,) = run.holdout_result.figures
    return Searched(run.id, run.completed_trials, seconds, to_dict(best.configuration), figure.validation, figure)


def audited(client: Client, run_id: str, patience: float = 10.0) -> list[Any]:
    """Returns the audit entries about a run, once its end is among them; raises SystemExit when it stays away."""
    deadline = time.monotonic() + patience
    while True:
        entries = list(client.audit.list(filter=f'resource_id = "{run_id}"', order_by="sequence"))
        ended = any(to_dict(e.data).get("status") == "STATUS_COMPLETED" for e in entries)
        if ended:
            return entries
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: the audit trail does not tell the run's end after {patience:.0f} seconds")
        time.sleep(0.2)
