"""The commands that every collection has, and those about any of them by name: watch, export, aggregate."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from ashgrove.client import Client
from ashgrove.export_files import ExportFile
from ashgrove.opening import with_client
from ashgrove.parquet_files import write_parquet
from ashgrove.printing import as_json_option, console, show, show_one, show_progress, show_rows
from ashgrove.values import to_plain

_filter = click.option("--filter", "condition", default="", help='Comparisons joined by AND, such as: name = "a".')
_order = click.option("--order-by", default="", help="Such as: created_at desc.")
_fields = click.option("--field", "fields", multiple=True, help="A field to show, such as: execution_count.")
_most = click.option("--most", default=50, show_default=True, help="How many at most.")


def collection(name: str, told: str, columns: tuple[str, ...], commands: Iterable[click.Command]) -> click.Group:
    """Returns a collection's group of commands: `list`, `get` where there is one, and those of its own."""
    group = click.Group(name, help=told)

    @group.command("list", help="List what you may see, newest first.")
    @_filter
    @_most
    @_order
    @_fields
    @as_json_option
    @with_client
    def _list(client: Client, condition: str, most: int, *, as_json: bool, **asked: Any) -> None:
        listed = getattr(client, name).list(filter=condition, **asked)
        show(listed, asked["fields"] or columns, as_json=as_json, most=most)

    if name != "audit":  # entries are only listed

        @group.command("get", help="Show one as JSON.")
        @click.argument("identifier")
        @_fields
        @with_client
        def _get(client: Client, identifier: str, fields: tuple[str, ...]) -> None:
            show_one(getattr(client, name).get(identifier, fields=fields))

    for command in commands:
        group.add_command(command)
    return group


@click.command("watch", help="Follow the changes of a COLLECTION, such as programs, until you stop it.")
@click.argument("collection")
@_filter
@click.option("--after", type=int, help="The last sequence that you know: what came after it is told first.")
@click.option("--archived", is_flag=True, help="Archived ones belong to it too.")
@as_json_option
@with_client
def watch(client: Client, collection: str, condition: str, *, as_json: bool, **more: Any) -> None:
    """Prints a line for each change."""
    for change in client.watches.changes(collection, filter=condition, **more):
        plain = to_plain(change.resource) if change.resource else {}
        if as_json:
            click.echo(json.dumps({**change._asdict(), "resource": plain or None}))
        else:
            said = ", ".join(change.changed) or plain.get("name", "")
            console.print(f"{change.sequence:>7}  {change.kind:<11} {change.id}  {escape(said)}")


@click.command("export", help="Write every row of a COLLECTION that you may see; a cut one goes on where it was.")
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
def export(client: Client, collection: str, out: Path, condition: str, form: str, **more: Any) -> None:
    """Writes the file, and shows how far it is."""
    asked: dict[str, Any] = {"filter": condition, **more, "fields": list(more["fields"])}
    total = client.exports.count(collection, filter=condition, archived=more["archived"])
    if form == "parquet":  # a file of row groups cannot be gone on with: what is cut begins anew
        written = write_parquet(out, client.exports.rows(collection, **asked), asked["fields"])
    else:
        file = ExportFile(out, {"collection": collection, **asked})
        written = file.take(client.exports.rows(collection, **asked, resume_token=file.reached.token))
    show_progress(f"{collection} → {out}", written, total)


@click.command(
    "aggregate", help="Measure a COLLECTION, group by group, by MEASURES such as: 'p95(latency_ms) as slow'."
)
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
def aggregate(
    client: Client, collection: str, measures: tuple[str, ...], condition: str, *, as_json: bool, **asked: Any
) -> None:
    """Shows a row for each group."""
    groups, truncated = client.aggregates.of(collection, *measures, filter=condition, **asked)
    show_rows(groups, list(groups[0]) if groups else [], as_json=as_json)
    if truncated and not as_json:
        console.print(f"there are more than {len(groups)} groups")


COLLECTIONS = (watch, export, aggregate)
