"""How the command line shows things: tables for people, one JSON object a line for scripts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import click
from google.protobuf.message import Message
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ashgrove.values import to_plain

console = Console()
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def show(items: Iterable[Message], columns: tuple[str, ...], *, as_json: bool, most: int = 50) -> None:
    """Prints some messages: their `columns` as a table, or all of each as JSON."""
    show_rows([to_plain(item) for item in islice(items, most)], columns, as_json=as_json)


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Prints rows of JSON data: their `columns` as a table, or all of each as JSON."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    table = Table()
    for name in columns:
        table.add_column(name, no_wrap=name == "id" or name.endswith("_id"))
    for row in rows:
        table.add_row(*(cell(c, row.get(c, "")) for c in columns))
    console.print(table)


def show_one(message: Message) -> None:
    """Prints a message as JSON."""
    console.print_json(json.dumps(to_plain(message)))


def cell(column: str, value: Any) -> str:
    """Returns a value as a table shows it: an enum without its prefix, a moment to the second, a mapping as k=v."""
    if isinstance(value, dict):
        return escape(" ".join(f"{k}={number(v)}" for k, v in value.items()))
    text = "" if value is None else number(value)
    if column.endswith("_at"):
        return text[:19]
    prefix = f"{column.upper()}_"
    return escape(text.removeprefix(prefix).lower() if text.startswith(prefix) else text)


def number(value: Any) -> str:
    """Returns a value as text, a fraction to five digits."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def show_progress(title: str, counts: Iterable[int], total: int | None) -> None:
    """Shows a bar while something counts up, without a length where the total is not known."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(escape(title), total=total)
        for count in counts:
            progress.update(task, completed=count)
        progress.update(task, total=progress.tasks[0].completed)
