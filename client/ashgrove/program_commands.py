"""The commands about programs: what they came to, what they are made of, and one execution."""

import json
from typing import Any

import click

from ashgrove.client import Client
from ashgrove.opening import json_object, with_client
from ashgrove.printing import as_json_option, show, show_one, show_rows


@click.command("figures", help="Show what a program's executions and evaluations came to.")
@click.argument("identifier")
@with_client
def figures(client: Client, identifier: str) -> None:
    """Prints them as JSON."""
    click.echo(json.dumps(client.programs.figures(identifier), indent=2))


@click.command("best", help="Show a program's best evaluation score, by metric, dataset and split.")
@click.argument("identifier")
@as_json_option
@with_client
def best(client: Client, identifier: str, *, as_json: bool) -> None:
    """Shows a row for each metric, dataset and split."""
    columns = ("primary_metric", "dataset_id", "split", "score", "direction", "count")
    show_rows(client.programs.best(identifier), columns, as_json=as_json)


@click.command("efficiency", help="Show a program's mean score per credit over some days.")
@click.argument("identifier")
@click.option("--days", default=30, show_default=True, help="How many days back.")
@as_json_option
@with_client
def efficiency(client: Client, identifier: str, days: int, *, as_json: bool) -> None:
    """Shows a row for each metric, dataset and split."""
    columns = ("primary_metric", "dataset_id", "split", "score_per_credit", "count")
    show_rows(client.programs.efficiency(identifier, days), columns, as_json=as_json)


@click.command("export", help="Write a program down as a file that is complete without Ashgrove.")
@click.argument("identifier")
@click.option("--revision", default=0, help="Which content revision; the current one by default.")
@with_client
def export(client: Client, identifier: str, revision: int) -> None:
    """Prints the file."""
    click.echo(json.dumps(client.programs.export(identifier, revision), ensure_ascii=False, indent=2))


@click.command("custom", help="List the registered code that custom programs can run.")
@as_json_option
@with_client
def custom(client: Client, *, as_json: bool) -> None:
    """Shows what there is of it."""
    show(client.programs.custom(), ("entry_point", "description", "error"), as_json=as_json, most=1000)


@click.command("tools", help="List the registered code that programs can use as tools.")
@as_json_option
@with_client
def tools(client: Client, *, as_json: bool) -> None:
    """Shows what there is of it."""
    show(client.programs.tools(), ("entry_point", "description", "error"), as_json=as_json, most=1000)


@click.command("retrievers", help="List what can look up examples in a pipeline.")
@as_json_option
@with_client
def retrievers(client: Client, *, as_json: bool) -> None:
    """Shows what there is of it."""
    show(client.programs.retrievers(), ("name", "built_in", "description", "error"), as_json=as_json, most=1000)


@click.command("defaults", help="Show what the organization's programs run with where nothing else is said.")
@with_client
def defaults(client: Client) -> None:
    """Shows them as JSON."""
    show_one(client.program_defaults.get())


@click.command("set-defaults", help="Set that: VALUES, a JSON object, in the place of all before.")
@click.argument("values", callback=json_object)
@with_client
def set_defaults(client: Client, values: dict[str, Any]) -> None:
    """Shows them as they are now."""
    try:
        show_one(client.program_defaults.set(**values))
    except (TypeError, ValueError) as fault:
        raise click.BadParameter(str(fault)) from None


@click.command("execute", help="Run a program once; INPUTS is a JSON object with a value for each input.")
@click.argument("identifier")
@click.argument("inputs", callback=json_object)
@click.option("--configuration", callback=json_object, default="{}", help="Values for its variables, as a JSON object.")
@click.option("--dataset", "dataset_id", default="", help="Where demonstrations and rules come from.")
@click.option("--stream", "streamed", is_flag=True, help="Show on standard error what models say, as it comes.")
@with_client
def execute(client: Client, identifier: str, inputs: dict[str, Any], *, streamed: bool, **how: Any) -> None:
    """Shows the execution as it ended."""
    if not streamed:
        show_one(client.programs.execute(identifier, inputs, **how))
        return
    told = client.programs.stream(identifier, inputs, **how)
    for words in told.words():
        click.echo(words, nl=False, err=True)
    click.echo(err=True)
    show_one(told.execution)


PROGRAMS = (figures, best, efficiency, export, custom, tools, retrievers, defaults, set_defaults, execute)
