"""The commands about runs that begin, go on, or are laid beside each other."""

from collections.abc import Callable
from typing import Any

import click

from ashgrove.client import Client
from ashgrove.opening import json_object, json_object_or_none, with_client
from ashgrove.printing import as_json_option, console, show_one, show_rows
from ashgrove.values import to_plain

_ABLATIONS = ["share", "full", "off"]
_ARGUMENTS = (
    click.argument("program"),
    click.argument("space"),
    click.argument("dataset"),
    click.option("--objective", "objectives", multiple=True, default=("exact_match",), show_default=True),
    click.option("--trials", "max_trials", type=int, default=40, show_default=True),
    click.option("--parallelism", type=int, default=4, show_default=True, help="How many trials at once."),
    click.option("--strategy", default="bayesian", show_default=True),
    click.option("--options", "strategy_options", callback=json_object, default="{}", help='Such as: {"levels": 3}.'),
    click.option("--limits", callback=json_object, default="{}", help='Such as: {"tokens": 100000}.'),
    click.option(
        "--repeats",
        callback=json_object_or_none,
        help='Evaluate the best afresh before one is named: {} or {"count": 3, "candidates": 5}.',
    ),
)


def _managed(function: Callable[..., None]) -> Callable[..., None]:
    """Adds what every run that the platform evaluates is asked for by."""
    for each in reversed(_ARGUMENTS):
        function = each(function)
    return function


_BESIDE = ("optimization_run_id", "strategy", "ended_trials", "best_value", "value_at_equal_trials", "tokens")


@click.command("create", help="Start a run of PROGRAM over SPACE and DATASET.")
@_managed
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--name", default="")
@click.option("--holdout/--no-holdout", default=None, help="Whether the test split is looked at; if there is one.")
@click.option("--ablation", type=click.Choice(_ABLATIONS), default="share", show_default=True)
@with_client
def create(client: Client, program: str, space: str, dataset: str, **wanted: Any) -> None:
    """Shows the new run."""
    show_one(client.runs.create(program, space, dataset, **wanted))


@click.command("estimate", help="Say what a run of PROGRAM over SPACE and DATASET would take, and start none.")
@_managed
@click.option("--probe", type=int, default=0, help="Run so many examples for real; paid for like any execution.")
@with_client
def estimate(client: Client, program: str, space: str, dataset: str, **wanted: Any) -> None:
    """Shows what calls, tokens, money and seconds a run is expected to take."""
    show_one(client.runs.estimate(program, space, dataset, **wanted))


@click.command("compare", help="Lay RUNS over the same examples beside each other; the first is the baseline.")
@click.argument("identifiers", nargs=-1, required=True)
@click.option("--objective", default="", help="The first run's first one when absent.")
@as_json_option
@with_client
def compare(client: Client, identifiers: tuple[str, ...], objective: str, *, as_json: bool) -> None:
    """Shows a row for each run, and whether its best differs from the first run's."""
    found = client.runs.compare(*identifiers, objective=objective)
    if as_json:
        show_one(found)
        return
    show_rows(
        [to_plain(run) | _differing(run) for run in found.runs], (*_BESIDE, "cost_micros", "differs"), as_json=False
    )
    console.print(f"{found.objective}; value_at_equal_trials is after {found.equal_trials} trials of each")


def _differing(run: Any) -> dict[str, str]:
    if not run.HasField("paired"):
        return {}
    paired = run.paired
    interval = f"{paired.low:+.4g} to {paired.high:+.4g}"
    return {"differs": f"{paired.difference:+.4g} ({interval}), p = {paired.p_value:.2g}"}


@click.command("fork", help="Start a run that begins with what RUN, and MORE runs, have found.")
@click.argument("identifier")
@click.argument("more", nargs=-1)
@click.option("--strategy", default="", help="Another strategy than the run's.")
@click.option("--trials", "max_trials", type=int, default=0, help="How many new trials; as many as the run when 0.")
@click.option("--seed", type=int, help="Another seed than the run's.")
@click.option("--name", default="")
@with_client
def fork(client: Client, identifier: str, more: tuple[str, ...], **wanted: Any) -> None:
    """Shows the new run."""
    show_one(client.runs.fork(identifier, *more, **wanted))


@click.command("extend", help="Raise limits of a run; one that they ended goes on.")
@click.argument("identifier")
@click.option("--trials", "max_trials", type=int, default=0, help="How many trials it has from now on.")
@click.option("--limits", callback=json_object, default="{}", help='Such as: {"tokens": 100000}.')
@click.option("--ablation", type=click.Choice(_ABLATIONS), help="Which variables are ablated in the end.")
@with_client
def extend(client: Client, identifier: str, **limits: Any) -> None:
    """Shows the run as it is now."""
    show_one(client.runs.extend(identifier, **limits))


@click.command("retry", help="Let a failed run go on: what had failed is tried again.")
@click.argument("identifier")
@with_client
def retry(client: Client, identifier: str) -> None:
    """Shows the run as it is now."""
    show_one(client.runs.retry(identifier))


RUNS = (create, estimate, compare, fork, extend, retry)
