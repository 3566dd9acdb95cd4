"""The command line: `python -m ashgrove`, or `ashgrove` once the client is installed."""

import json
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ashgrove.client import Client
from ashgrove.errors import AshgroveError
from ashgrove.values import to_plain

console = Console()
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
_filter = click.option("--filter", "condition", default="", help='Comparisons joined by AND, such as: name = "a".')
_most = click.option("--most", default=50, show_default=True, help="How many at most.")


def _object(context: click.Context, parameter: click.Parameter, value: str) -> dict[str, Any]:
    """Returns a JSON object given on the command line; raises BadParameter with an example of what is right."""
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise click.BadParameter(f"""{value!r} is not a JSON object, such as '{{"text": "Norge och Sverige"}}'""")
    return found


@click.group()
def main() -> None:
    """Talk to Ashgrove: ASHGROVE_ADDRESS and ASHGROVE_API_KEY, or the embedded stack's own."""


def _with_client(function: Callable[..., None]) -> Callable[..., None]:
    """Hands a command its client, opened when it runs: `--help` needs neither key nor gateway."""

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> None:
        with Client.from_environment() as client:
            function(client, *arguments, **options)

    return call


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


def _show(items: Iterable[Any], columns: tuple[str, ...], *, as_json: bool, most: int = 50) -> None:
    rows = [to_plain(item) for item in islice(items, most)]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    table = Table()
    for name in columns:
        table.add_column(name, no_wrap=name == "id" or name.endswith("_id"))
    for row in rows:
        table.add_row(*(_cell(c, row.get(c, "")) for c in columns))
    console.print(table)


def _cell(column: str, value: Any) -> str:
    """Returns a value as a table shows it: an enum without its prefix, a moment to the second."""
    text = str(value)
    if column.endswith("_at"):
        return text[:19]
    prefix = f"{column.upper()}_"
    return escape(text.removeprefix(prefix).lower() if text.startswith(prefix) else text)


_HELP = {
    "programs": "Programs: what is optimized",
    "datasets": "Datasets: what a program is judged on",
    "spaces": "Variable spaces: what may change",
    "runs": "Optimization runs: list, follow, stop, ask for the best",
    "audit": "The audit trail: who did what, provably",
}


def _collection(name: str, attribute: str, columns: tuple[str, ...]) -> click.Group:
    """Returns a group with `list` and, where there is one, `get`."""
    group = click.Group(name, help=_HELP[name])

    @group.command("list", help="List what you may see, newest first.")
    @_filter
    @_most
    @_as_json
    @_with_client
    def _list(client: Client, condition: str, most: int, *, as_json: bool) -> None:
        _show(getattr(client, attribute).list(filter=condition), columns, as_json=as_json, most=most)

    if attribute != "audit":

        @group.command("get", help="Show one as JSON.")
        @click.argument("identifier")
        @_with_client
        def _get(client: Client, identifier: str) -> None:
            console.print_json(json.dumps(to_plain(getattr(client, attribute).get(identifier))))

    main.add_command(group)
    return group


programs = _collection("programs", "programs", ("id", "name", "type", "status", "revision", "created_at"))
_collection("datasets", "datasets", ("id", "name", "train_count", "validation_count", "test_count", "revision"))
_collection("spaces", "spaces", ("id", "name", "status", "revision", "created_at"))
runs = _collection("runs", "runs", ("id", "name", "status", "completed_trials", "best_objectives", "created_at"))
audit = _collection("audit", "audit", ("sequence", "type", "outcome", "resource_type", "resource_id", "occurred_at"))


def _on_run(name: str, text: str) -> Callable[[Callable[..., None]], click.Command]:
    def bind(function: Callable[..., None]) -> click.Command:
        made = click.command(name, help=text)(click.argument("identifier")(_with_client(function)))
        runs.add_command(made)
        return made

    return bind


@_on_run("watch", "Follow a run to its end.")
def _watch(client: Client, identifier: str) -> None:
    for event in client.runs.watch(identifier):
        plain = to_plain(event)
        said = " ".join(f"{k}={v}" for k, v in plain.items() if k in ("trial_number", "objectives", "status", "error"))
        console.print(f"{event.sequence:>5}  {plain['type'].removeprefix('TYPE_').lower():<18} {said}")


@_on_run("cancel", "Stop a run; its results are kept.")
def _cancel(client: Client, identifier: str) -> None:
    console.print_json(json.dumps(to_plain(client.runs.cancel(identifier))))


@_on_run("best", "Show the best configuration so far.")
def _best(client: Client, identifier: str) -> None:
    console.print_json(json.dumps(to_plain(client.runs.best(identifier))))


@audit.command("verify", help="Recompute the whole chain; exit code 1 when it does not hold.")
@_with_client
def _verify(client: Client) -> None:
    verdict = client.audit.verify()
    console.print_json(json.dumps(to_plain(verdict)))
    if not verdict.valid:
        sys.exit(1)


@programs.command("execute", help="Run a program once; INPUTS is a JSON object with a value for each input.")
@click.argument("identifier")
@click.argument("inputs", callback=_object)
@click.option("--configuration", callback=_object, default="{}", help="Values for its variables, as a JSON object.")
@click.option("--dataset", default="", help="Where demonstrations and rules come from.")
@_with_client
def _execute(
    client: Client, identifier: str, inputs: dict[str, Any], configuration: dict[str, Any], dataset: str
) -> None:
    done = client.programs.execute(identifier, inputs, configuration, dataset)
    console.print_json(json.dumps(to_plain(done)))


@main.command("status", help="Say which gateway answers, and for which organization.")
@_as_json
@_with_client
def _status(client: Client, *, as_json: bool) -> None:
    names = [o.name for o in islice(client.organizations.list(), 10)]
    if as_json:
        click.echo(json.dumps({"gateway": client.address, "organizations": names}))
    else:
        console.print(f"{client.address} answers; this key sees: {escape(', '.join(names) or 'no organization')}")
