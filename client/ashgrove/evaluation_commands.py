"""The commands about evaluations: run, compare, lay beside each other."""

from typing import Any

import click

from ashgrove.client import Client
from ashgrove.opening import json_object, with_client
from ashgrove.printing import as_json_option, console, number, show, show_one, show_rows
from ashgrove.program.v1.execution_pb2 import ErrorClass
from ashgrove.programs import SPLITS
from ashgrove.values import to_plain

_metric = click.option("--metric", default="", help="The first of the evaluations when absent.")


@click.group("evaluations", help="Evaluations: a program over a split, compared item by item")
def evaluations() -> None:
    """Groups the commands."""


@evaluations.command("run", help="Run a PROGRAM over a split of a DATASET, and wait for its scores.")
@click.argument("program")
@click.argument("dataset")
@click.option("--split", type=click.Choice(list(SPLITS)), default="validation", show_default=True)
@click.option("--metric", "metrics", multiple=True, help="Such as token_f1; may be repeated. The first is the score.")
@click.option("--params", callback=json_object, default="{}", help="What metrics are told, by name, as a JSON object.")
@click.option("--configuration", callback=json_object, default="{}", help="Values for its variables, as a JSON object.")
@click.option("--error-budget", default=1.0, show_default=True, help="Which share of the examples may fail.")
@click.option("--max-cost-micros", type=int, default=None, help="What it may cost, in millionths of a dollar.")
@with_client
def _run(client: Client, program: str, dataset: str, params: dict[str, Any], **asked: Any) -> None:
    show_one(client.programs.evaluate(program, dataset, metric_params=params, **asked).wait())


@evaluations.command("list", help="List the evaluations of a PROGRAM, newest first.")
@click.argument("program")
@click.option("--most", default=50, show_default=True, help="How many at most.")
@as_json_option
@with_client
def _list(client: Client, program: str, most: int, *, as_json: bool) -> None:
    columns = ("id", "status", "split", "scores", "finished_count", "failed_count", "created_at")
    show(client.evaluations.list(program), columns, as_json=as_json, most=most)


@evaluations.command("compare", help="Compare evaluation OTHER with BASE item by item: a paired test and an interval.")
@click.argument("base")
@click.argument("other")
@_metric
@click.option("--seed", default=0, help="The seed of test and interval.")
@click.option("--items", default=10, show_default=True, help="How many items to show, the greatest differences first.")
@as_json_option
@with_client
def _compare(client: Client, base: str, other: str, metric: str, *, as_json: bool, **asked: Any) -> None:
    found = client.evaluations.compare(base, other, metric, **asked)
    if as_json:
        show_one(found)
        return
    show(found.items, ("position", "example_id", "base_score", "score"), as_json=False, most=len(found.items))
    counts = f"{found.better_count} better, {found.worse_count} worse, {found.equal_count} alike"
    alone = found.only_base_count + found.only_other_count
    console.print(f"{found.metric}: {counts}" + (f", {alone} scored in one only" if alone else ""))
    if found.paired_count:
        means = f"{number(found.base_mean)} → {number(found.mean)}"
        interval = f"95 % from {found.low:+.4g} to {found.high:+.4g}"
        console.print(f"{means}: difference {found.difference:+.4g}, {interval}, p = {found.p_value:.2g}")


@evaluations.command("matrix", help="Lay EVALUATIONS of one dataset beside each other, a row for each example.")
@click.argument("identifiers", nargs=-1, required=True)
@_metric
@as_json_option
@with_client
def _matrix(client: Client, identifiers: tuple[str, ...], metric: str, *, as_json: bool) -> None:
    rows = client.evaluations.matrix(identifiers, metric)
    if as_json:
        show(rows, (), as_json=True, most=1_000_000)
        return
    shown = [{"position": row.position, **_cells(row, identifiers)} for row in rows]
    show_rows(shown, ("position", *identifiers), as_json=False)


def _cells(row: Any, identifiers: tuple[str, ...]) -> dict[str, Any]:
    return {name: _cell(cell) for name, cell in zip(identifiers, row.cells, strict=True)}


def _cell(cell: Any) -> Any:
    if cell.error_class:
        return ErrorClass.Name(cell.error_class).removeprefix("ERROR_CLASS_").lower()
    return to_plain(cell).get("score", "-")
