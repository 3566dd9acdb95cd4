"""The command line: `python -m ashgrove`, or `ashgrove` once the client is installed."""

import json
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from ashgrove.audit_commands import verify
from ashgrove.client import Client
from ashgrove.dataset_commands import DATASETS
from ashgrove.errors import AshgroveError
from ashgrove.evaluation_commands import evaluations
from ashgrove.execution_commands import FEEDBACK, add_execution, batch
from ashgrove.export_files import ExportFile
from ashgrove.opening import json_object, with_client
from ashgrove.optimizer.v1.pareto_front_pb2 import ParetoFront
from ashgrove.parquet_files import write_parquet
from ashgrove.people_commands import COMMANDS
from ashgrove.printing import as_json_option, console, number, show, show_one, show_progress, show_rows
from ashgrove.report_commands import report
from ashgrove.run_commands import ask, importing, receive, reports, tell
from ashgrove.space_commands import SPACES, add_defaults, importance
from ashgrove.steering_commands import RUNS
from ashgrove.values import to_plain

_filter = click.option("--filter", "condition", default="", help='Comparisons joined by AND, such as: name = "a".')
_order = click.option("--order-by", default="", help="Such as: created_at desc.")
_fields = click.option("--field", "fields", multiple=True, help="A field to show, such as: execution_count.")
_most = click.option("--most", default=50, show_default=True, help="How many at most.")


@click.group()
def main() -> None:
    """Talk to Ashgrove: ASHGROVE_ADDRESS and ASHGROVE_API_KEY, or the embedded stack's own."""


def run() -> None:
    """Runs the command line; a refusal is one red sentence and exit code 1."""
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (AshgroveError, FileNotFoundError, ValueError) as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


_HELP = {
    "programs": "Programs: what is optimized",
    "aliases": "Aliases: names for revisions of programs",
    "datasets": "Datasets: what a program is judged on",
    "feedback": "Feedback: what was said about executions",
    "spaces": "Variable spaces: what may change, drawn from, and carried to other libraries",
    "presets": "Presets: variables to make spaces of",
    "runs": "Optimization runs: list, follow, pause, stop, ask for the best",
    "audit": "The audit trail: who did what, provably",
}


def _collection(name: str, attribute: str, columns: tuple[str, ...]) -> click.Group:
    """Returns a group with `list` and, where there is one, `get`."""
    group = click.Group(name, help=_HELP[name])

    @group.command("list", help="List what you may see, newest first.")
    @_filter
    @_most
    @_order
    @_fields
    @as_json_option
    @with_client
    def _list(client: Client, condition: str, most: int, *, as_json: bool, **asked: Any) -> None:
        listed = getattr(client, attribute).list(filter=condition, **asked)
        show(listed, asked["fields"] or columns, as_json=as_json, most=most)

    if attribute != "audit":

        @group.command("get", help="Show one as JSON.")
        @click.argument("identifier")
        @_fields
        @with_client
        def _get(client: Client, identifier: str, fields: tuple[str, ...]) -> None:
            show_one(getattr(client, attribute).get(identifier, fields=fields))

    main.add_command(group)
    return group


programs = _collection("programs", "programs", ("id", "name", "type", "status", "revision", "created_at"))
programs.add_command(batch)
_collection("aliases", "aliases", ("id", "program_id", "name", "targets", "revision"))
datasets = _collection(
    "datasets", "datasets", ("id", "name", "train_count", "validation_count", "test_count", "revision")
)
for command in (*DATASETS, add_execution):
    datasets.add_command(command)
main.add_command(evaluations)
feedback = _collection("feedback", "feedback", ("id", "execution_id", "score", "label", "source", "created_at"))
for command in FEEDBACK:
    feedback.add_command(command)
spaces = _collection("spaces", "spaces", ("id", "name", "status", "revision", "created_at"))
for command in SPACES:
    spaces.add_command(command)
presets = _collection("presets", "presets", ("id", "name", "category", "status", "created_at"))
presets.add_command(add_defaults)
runs = _collection("runs", "runs", ("id", "name", "status", "completed_trials", "best_objectives", "created_at"))
for command in (importance, ask, receive, tell, reports, *RUNS):
    runs.add_command(command)
main.add_command(importing)
runs.add_command(report)
audit = _collection("audit", "audit", ("sequence", "type", "outcome", "resource_type", "resource_id", "occurred_at"))
audit.add_command(verify)


for command in COMMANDS:
    main.add_command(command)


def _on_run(name: str, text: str) -> Callable[[Callable[..., None]], click.Command]:
    def bind(function: Callable[..., None]) -> click.Command:
        made = click.command(name, help=text)(click.argument("identifier")(with_client(function)))
        runs.add_command(made)
        return made

    return bind


@_on_run("watch", "Follow a run to its end.")
def _watch(client: Client, identifier: str) -> None:
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
def _pause(client: Client, identifier: str) -> None:
    show_one(client.runs.pause(identifier))


@_on_run("resume", "Let a paused run go on.")
def _resume(client: Client, identifier: str) -> None:
    show_one(client.runs.resume(identifier))


@_on_run("cancel", "Stop a run for good; its results are kept.")
def _cancel(client: Client, identifier: str) -> None:
    show_one(client.runs.cancel(identifier))


@runs.command("best", help="Show the best configuration so far.")
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
def _best(client: Client, identifier: str, selection: str | None, **more: Any) -> None:
    show_one(client.runs.best(identifier, selection or "", **more))


@_on_run("promote", "Put the best configuration into the run's program, as a new revision.")
def _promote(client: Client, identifier: str) -> None:
    show_one(client.runs.promote(identifier))


@runs.command("front", help="Show the trials that no other beats in every objective.")
@click.argument("identifier")
@as_json_option
@with_client
def _front(client: Client, identifier: str, *, as_json: bool) -> None:
    front = client.runs.front(identifier)
    points = sorted(front.points, key=lambda p: p.objectives[front.objectives[0].metric], reverse=True)
    show(points, ("trial_number", "objectives", "configuration"), as_json=as_json, most=len(points))
    if not as_json:
        console.print(f"version {front.version}: {len(points)} trials{_hypervolume(front)}")


def _hypervolume(front: ParetoFront) -> str:
    if not front.HasField("hypervolume"):
        return ""
    margin = f" ± {number(front.hypervolume_margin)}, estimated" if front.HasField("hypervolume_margin") else ""
    return f", hypervolume {number(front.hypervolume)}{margin}"


@programs.command("figures", help="Show what a program's executions and evaluations came to.")
@click.argument("identifier")
@with_client
def _figures(client: Client, identifier: str) -> None:
    click.echo(json.dumps(client.programs.figures(identifier), indent=2))


@programs.command("best", help="Show a program's best evaluation score, by metric, dataset and split.")
@click.argument("identifier")
@as_json_option
@with_client
def _best_scores(client: Client, identifier: str, *, as_json: bool) -> None:
    columns = ("primary_metric", "dataset_id", "split", "score", "direction", "count")
    show_rows(client.programs.best(identifier), columns, as_json=as_json)


@programs.command("efficiency", help="Show a program's mean score per credit over some days.")
@click.argument("identifier")
@click.option("--days", default=30, show_default=True, help="How many days back.")
@as_json_option
@with_client
def _efficiency(client: Client, identifier: str, days: int, *, as_json: bool) -> None:
    columns = ("primary_metric", "dataset_id", "split", "score_per_credit", "count")
    show_rows(client.programs.efficiency(identifier, days), columns, as_json=as_json)


@programs.command("export", help="Write a program down as a file that is complete without Ashgrove.")
@click.argument("identifier")
@click.option("--revision", default=0, help="Which content revision; the current one by default.")
@with_client
def _write_down(client: Client, identifier: str, revision: int) -> None:
    click.echo(json.dumps(client.programs.export(identifier, revision), ensure_ascii=False, indent=2))


@programs.command("custom", help="List the registered code that custom programs can run.")
@as_json_option
@with_client
def _custom(client: Client, *, as_json: bool) -> None:
    show(client.programs.custom(), ("entry_point", "description", "error"), as_json=as_json, most=1000)


@programs.command("tools", help="List the registered code that programs can use as tools.")
@as_json_option
@with_client
def _tools(client: Client, *, as_json: bool) -> None:
    show(client.programs.tools(), ("entry_point", "description", "error"), as_json=as_json, most=1000)


@programs.command("retrievers", help="List what can look up examples in a pipeline.")
@as_json_option
@with_client
def _retrievers(client: Client, *, as_json: bool) -> None:
    show(client.programs.retrievers(), ("name", "built_in", "description", "error"), as_json=as_json, most=1000)


@programs.command("defaults", help="Show what the organization's programs run with where nothing else is said.")
@with_client
def _defaults(client: Client) -> None:
    show_one(client.program_defaults.get())


@programs.command("set-defaults", help="Set that: VALUES, a JSON object, in the place of all before.")
@click.argument("values", callback=json_object)
@with_client
def _set_defaults(client: Client, values: dict[str, Any]) -> None:
    try:
        show_one(client.program_defaults.set(**values))
    except (TypeError, ValueError) as fault:
        raise click.BadParameter(str(fault)) from None


@main.command("metrics", help="List what evaluations can measure, and runs can make better.")
@as_json_option
@with_client
def _metrics(client: Client, *, as_json: bool) -> None:
    columns = ("name", "direction", "unit", "low", "high", "aggregation", "description", "error")
    show(client.metrics.list(), columns, as_json=as_json, most=1000)


@main.command("watch", help="Follow the changes of a COLLECTION, such as programs, until you stop it.")
@click.argument("collection")
@_filter
@click.option("--after", type=int, help="The last sequence that you know: what came after it is told first.")
@click.option("--archived", is_flag=True, help="Archived ones belong to it too.")
@as_json_option
@with_client
def _watch_collection(client: Client, collection: str, condition: str, *, as_json: bool, **more: Any) -> None:
    for change in client.watches.changes(collection, filter=condition, **more):
        plain = to_plain(change.resource) if change.resource else {}
        if as_json:
            click.echo(json.dumps({**change._asdict(), "resource": plain or None}))
        else:
            said = ", ".join(change.changed) or plain.get("name", "")
            console.print(f"{change.sequence:>7}  {change.kind:<11} {change.id}  {escape(said)}")


@main.command("export", help="Write every row of a COLLECTION that you may see; a cut one goes on where it was.")
@click.argument("collection")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "parquet"]),
    default="jsonl",
    help="One JSON object a line, or Parquet.",
)
@_filter
@_order
@click.option("--field", "fields", multiple=True, help="A field to write; all of them when none is named.")
@click.option("--archived", is_flag=True, help="Write archived ones too.")
@with_client
def _export(client: Client, collection: str, out: Path, condition: str, form: str, **more: Any) -> None:
    asked: dict[str, Any] = {"filter": condition, **more, "fields": list(more["fields"])}
    total = client.exports.count(collection, filter=condition, archived=more["archived"])
    if form == "parquet":  # a file of row groups cannot be gone on with: what is cut begins anew
        written = write_parquet(out, client.exports.rows(collection, **asked), asked["fields"])
    else:
        file = ExportFile(out, {"collection": collection, **asked})
        written = file.take(client.exports.rows(collection, **asked, resume_token=file.reached.token))
    show_progress(f"{collection} → {out}", written, total)


@main.command("aggregate", help="Measure a COLLECTION, group by group, by MEASURES such as: 'p95(latency_ms) as slow'.")
@click.argument("collection")
@click.argument("measures", nargs=-1, required=True)
@click.option("--by", multiple=True, help="A field or a stretch of time, such as: day(created_at).")
@_filter
@click.option("--having", default="", help="Comparisons over keys and measures, such as: count > 10.")
@click.option("--order-by", default="", help="Keys and measures, such as: count desc.")
@click.option("--most", default=50, show_default=True, help="How many groups at most.")
@click.option("--archived", is_flag=True, help="Count archived ones too.")
@as_json_option
@with_client
def _aggregate(
    client: Client, collection: str, measures: tuple[str, ...], condition: str, *, as_json: bool, **asked: Any
) -> None:
    groups, truncated = client.aggregates.of(collection, *measures, filter=condition, **asked)
    show_rows(groups, list(groups[0]) if groups else [], as_json=as_json)
    if truncated and not as_json:
        console.print(f"there are more than {len(groups)} groups")


@programs.command("execute", help="Run a program once; INPUTS is a JSON object with a value for each input.")
@click.argument("identifier")
@click.argument("inputs", callback=json_object)
@click.option("--configuration", callback=json_object, default="{}", help="Values for its variables, as a JSON object.")
@click.option("--dataset", "dataset_id", default="", help="Where demonstrations and rules come from.")
@click.option("--stream", "streamed", is_flag=True, help="Show on standard error what models say, as it comes.")
@with_client
def _execute(client: Client, identifier: str, inputs: dict[str, Any], *, streamed: bool, **how: Any) -> None:
    if not streamed:
        show_one(client.programs.execute(identifier, inputs, **how))
        return
    told = client.programs.stream(identifier, inputs, **how)
    for words in told.words():
        click.echo(words, nl=False, err=True)
    click.echo(err=True)
    show_one(told.execution)


@main.command("status", help="Say which gateway answers, and for which organization.")
@as_json_option
@with_client
def _status(client: Client, *, as_json: bool) -> None:
    names = [o.name for o in islice(client.organizations.list(), 10)]
    if as_json:
        click.echo(json.dumps({"gateway": client.address, "organizations": names}))
    else:
        console.print(f"{client.address} answers; this key sees: {escape(', '.join(names) or 'no organization')}")
