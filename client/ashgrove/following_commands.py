"""The commands about runs that are under way: follow them, hold them, stop them, ask what they found."""

from collections.abc import Callable
from typing import Any

import click
from rich.markup import escape

from ashgrove.client import Client
from ashgrove.opening import json_object, with_client
from ashgrove.optimizer.v1.pareto_front_pb2 import ParetoFront
from ashgrove.printing import as_json_option, console, number, show, show_one
from ashgrove.values import to_plain


def _on_run(name: str, text: str) -> Callable[[Callable[..., None]], click.Command]:
    def bind(function: Callable[..., None]) -> click.Command:
        return click.command(name, help=text)(click.argument("identifier")(with_client(function)))

    return bind


@_on_run("watch", "Follow a run to its end.")
def watch(client: Client, identifier: str) -> None:
    """Prints a line for each event."""
    for event in client.runs.watch(identifier):
        plain = to_plain(event)
        kind = plain["type"].removeprefix("TYPE_").lower()
        console.print(f"{event.sequence:>5}  {kind:<18} {escape(' '.join(_event_words(plain)))}")


_SAID = ("trial_number", "parent_trial_number", "step", "limit", "used", "most", "objectives", "status", "error")


def _event_words(plain: dict[str, Any]) -> list[str]:
    """Returns what an event says, without what is the same in all."""
    changes = [f"{each['path']}: {each.get('before')} → {each.get('after')}" for each in plain.get("changes", [])]
    return [*(f"{name}={plain[name]}" for name in _SAID if plain.get(name)), *changes]


@_on_run("pause", "Pause a run; what is finished is kept.")
def pause(client: Client, identifier: str) -> None:
    """Shows the run as it is now."""
    show_one(client.runs.pause(identifier))


@_on_run("resume", "Let a paused run go on.")
def resume(client: Client, identifier: str) -> None:
    """Shows the run as it is now."""
    show_one(client.runs.resume(identifier))


@_on_run("cancel", "Stop a run for good; its results are kept.")
def cancel(client: Client, identifier: str) -> None:
    """Shows the run as it is now."""
    show_one(client.runs.cancel(identifier))


@click.command("best", help="Show the best configuration so far.")
@click.argument("identifier")
@click.option(
    "--by",
    "selection",
    type=click.Choice(["weighted", "lexicographic", "knee", "topsis"]),
    help="A rule over the front; by the first objective without one.",
)
@click.option("--weights", callback=json_object, default="{}", help='Such as: {"exact_match": 2}.')
@click.option("--tolerances", callback=json_object, default="{}", help='Such as: {"exact_match": 0.02}.')
@click.option("--objective", default="", help="Best by this objective; by the first one without.")
@with_client
def best(client: Client, identifier: str, selection: str | None, **more: Any) -> None:
    """Shows the configuration, and why it was chosen."""
    show_one(client.runs.best(identifier, selection or "", **more))


@_on_run("promote", "Put the best configuration into the run's program, as a new revision.")
def promote(client: Client, identifier: str) -> None:
    """Shows what became of the program."""
    show_one(client.runs.promote(identifier))


@click.command("front", help="Show the trials that no other beats in every objective.")
@click.argument("identifier")
@as_json_option
@with_client
def front(client: Client, identifier: str, *, as_json: bool) -> None:
    """Shows the trials, the best by the first objective first."""
    found = client.runs.front(identifier)
    points = sorted(found.points, key=lambda p: p.objectives[found.objectives[0].metric], reverse=True)
    show(points, ("trial_number", "objectives", "configuration"), as_json=as_json, most=len(points))
    if not as_json:
        console.print(f"version {found.version}: {len(points)} trials{_hypervolume(found)}")


def _hypervolume(front: ParetoFront) -> str:
    if not front.HasField("hypervolume"):
        return ""
    margin = f" ± {number(front.hypervolume_margin)}, estimated" if front.HasField("hypervolume_margin") else ""
    return f", hypervolume {number(front.hypervolume)}{margin}"


FOLLOWING = (watch, pause, resume, cancel, best, promote, front)
