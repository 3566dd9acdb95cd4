"""The commands of external runs: ask, tell, and take over a study of another library."""

import json
from functools import partial

import click

from ashgrove.client import Client
from ashgrove.opening import json_object, with_client
from ashgrove.optuna_studies import import_study
from ashgrove.printing import show_one
from ashgrove.values import to_plain

_run = click.argument("run")
_client = click.option("--client", "name", required=True, help="What you call yourself: the same when you ask again.")
_lease = click.option("--lease-seconds", default=0, help="How long you have a trial; a minute when left out.")


@click.command("ask", help="Ask an external run for trials, one JSON object a line: number and values.")
@_run
@_client
@_lease
@click.option("--count", default=1, show_default=True, help="How many trials you want to have.")
@with_client
def ask(client: Client, run: str, name: str, lease_seconds: int, count: int) -> None:
    """Prints the trials that the client has from now on."""
    answer = client.runs.suggest(run, name, count, lease_seconds)
    for trial in client.runs.asked(run, name, answer.trials):
        click.echo(json.dumps({"number": trial.number, "values": trial.values}, ensure_ascii=False))
    if not answer.trials:
        click.echo("there is no trial at present", err=True)


@click.command("receive", help="Be sent an external run's trials as they become free, one JSON object a line.")
@_run
@_client
@click.option("--ahead", default=1, show_default=True, help="How many trials you have at most, sent and not told.")
@click.option("--lease-seconds", default=0, help="How long you keep them once this is broken off; a minute by default.")
@with_client
def receive(client: Client, run: str, name: str, ahead: int, lease_seconds: int) -> None:
    """Prints trials until the run has ended; what they reached is told with `tell`."""
    for trial in client.runs.receiving(run, name, lease_seconds, ahead=ahead):
        click.echo(json.dumps({"number": trial.number, "values": trial.values}, ensure_ascii=False))


@click.command("tell", help="Tell what a trial of an external run reached, a JSON object, or why it failed.")
@_run
@click.argument("number", type=int)
@click.argument("objectives", callback=json_object, default="{}")
@_client
@click.option("--error", default="", help="Why the trial failed.")
@with_client
def tell(client: Client, run: str, number: int, objectives: dict[str, float], name: str, error: str) -> None:
    """Prints where the run stands."""
    show_one(client.runs.told(run, name, number, objectives, error=error))


@click.command("reports", help="Show what was reported of a trial of an external run, one JSON object a line.")
@click.argument("trial")
@with_client
def reports(client: Client, trial: str) -> None:
    """Prints values by step, then examples."""
    found = client.runs.reports(trial)
    for each in (*found.measurements, *found.examples):
        click.echo(json.dumps(to_plain(each), ensure_ascii=False))


@click.group("import", help="Take over what other tools have done.")
def importing() -> None:
    """Holds a command for each tool."""


@importing.command("optuna", help="Create an external run of a study, with its trials; needs ashgrove[optuna].")
@click.option("--storage", required=True, help="The storage's URL, such as sqlite:///study.db.")
@click.option("--study", required=True, help="The study's name.")
@click.option("--name", "run_name", default="", help="What the run is called; as the study when left out.")
@click.option("--max-trials", default=0, help="How many trials the run may have; a hundred more than the study has.")
@with_client
def optuna(client: Client, storage: str, study: str, run_name: str, max_trials: int) -> None:
    """Prints the run."""
    told = partial(click.echo, err=True)
    show_one(import_study(client, storage, study, run_name=run_name, max_trials=max_trials, told=told))
