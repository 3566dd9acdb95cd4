"""The commands about datasets beyond listing them: files up and down, splits, samples, revisions."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from ashgrove.client import Client
from ashgrove.example_files import FORMATS, format_of
from ashgrove.opening import with_client
from ashgrove.printing import as_json_option, console, show, show_one, show_progress, show_rows
from ashgrove.programs import SPLITS

_identifier = click.argument("identifier")
_form = click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default=None, help="By its name when absent."
)
_split = click.option("--split", type=click.Choice(list(SPLITS)), default=None)
_file = click.Path(path_type=Path, dir_okay=False)


@click.command("upload", help="Add the rows of FILE to a dataset: all of them or, at a fault, none.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--to", "identifier", default="", help="The dataset's id; without it a new one is made.")
@click.option("--name", default="", help="What a new dataset is called; like the file when absent.")
@click.option(
    "--output", "outputs", multiple=True, help="A column that is an output of a new dataset; may be repeated."
)
@_form
@_split
@click.option("--keep-rest", is_flag=True, help="Add the sound rows when others are not.")
@click.option("--skip-duplicates", is_flag=True, help="Leave out what is there already.")
@click.option("--ignore-unknown", is_flag=True, help="Leave out columns that the dataset does not have.")
@click.option("--check", "validate_only", is_flag=True, help="Judge the file and add nothing.")
@with_client
def upload(client: Client, file: Path, identifier: str, name: str, outputs: tuple[str, ...], **asked: Any) -> None:
    """Sends the file with a bar, then says what became of it."""
    asked = {key: value or "" if key in ("form", "split") else value for key, value in asked.items()}
    identifier = identifier or _made(client, file, name or file.stem, outputs, asked["form"])
    columns = (TextColumn(file.name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=file.stat().st_size)
        done = client.datasets.upload(
            identifier, file, on_progress=lambda sent: progress.update(task, completed=sent), **asked
        )
    for fault in done.faults:
        console.print(f"row {fault.row} {fault.column}: {fault.expectation}", markup=False)
    said = [f"{done.added_count} {'would be' if asked['validate_only'] else ''} added".replace("  ", " ")]
    said += [f"{done.refused_count} refused"] if done.refused_count else []
    said += [f"{done.duplicate_count} there already"] if done.duplicate_count else []
    console.print(f"{', '.join(said)}: dataset {done.dataset.id} is at revision {done.dataset.revision}")


def _made(client: Client, file: Path, name: str, outputs: tuple[str, ...], form: str) -> str:
    """Makes a dataset with the fields of a file; what no field can hold is refused in one sentence."""
    found = client.datasets.infer(file, outputs, form)
    if found.faults:
        raise ValueError("; ".join(f"{f.column or f'row {f.row}'} {f.expectation}" for f in found.faults[:10]))
    if not found.output_fields:
        raise ValueError("a new dataset needs outputs: name their columns with --output")
    made = client.datasets.create(name, inputs=found.input_fields, outputs=found.output_fields)
    return str(made.id)


@click.command("infer", help="Say which fields a dataset must have to take the rows of FILE.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--output", "outputs", multiple=True, help="A column that is an output; may be repeated.")
@_form
@with_client
def infer(client: Client, file: Path, outputs: tuple[str, ...], form: str | None) -> None:
    """Prints the fields, and what no dataset could take."""
    show_one(client.datasets.infer(file, outputs, form or ""))


@click.command("download", help="Write a dataset's examples into a file: .jsonl, .csv or .parquet.")
@_identifier
@click.option("--out", required=True, type=_file, help="The file.")
@_form
@_split
@click.option("--revision", default=0, help="The examples of revisions up to this one; all when absent.")
@with_client
def download(client: Client, identifier: str, out: Path, form: str | None, split: str | None, revision: int) -> None:
    """Writes the file with a bar."""
    form = format_of(out, form or "")
    written = client.datasets.download(identifier, out, form=form, split=split or "", revision=revision)
    show_progress(f"{identifier} → {out}", written, None)


@click.command("splits", help="Say how many examples each split has, and the rule by which they are divided.")
@_identifier
@as_json_option
@with_client
def splits(client: Client, identifier: str, *, as_json: bool) -> None:
    """Prints a row for each split."""
    dataset = client.datasets.get(identifier)
    rule = dataset.split_rule
    percents = [rule.train_percent, rule.validation_percent, rule.test_percent]
    percents = percents if any(percents) else [60, 20, 20]
    counts = [dataset.train_count, dataset.validation_count, dataset.test_count]
    rows = [
        {"split": name, "examples": count, "percent": percent}
        for name, count, percent in zip(SPLITS, counts, percents, strict=True)
    ]
    show_rows(rows, ("split", "examples", "percent"), as_json=as_json)
    if not as_json:
        grouped = ", ".join(rule.group_fields) or "all inputs"
        console.print(f"divided by the words of {grouped}" + (f" and the salt {rule.salt}" if rule.salt else ""))


@click.command("sample", help="Draw examples at random: the same ones for the same seed.")
@_identifier
@click.option("--count", default=10, show_default=True, help="How many, up to 1,000.")
@click.option("--seed", default=0, help="The seed of the draw.")
@_split
@as_json_option
@with_client
def sample(client: Client, identifier: str, count: int, seed: int, split: str | None, *, as_json: bool) -> None:
    """Prints the examples."""
    drawn = client.datasets.sample(identifier, count, split=split or "", seed=seed)
    show(drawn, ("split", "inputs", "outputs"), as_json=as_json, most=count)


@click.command("revisions", help="List what each addition brought, and its hash, newest first.")
@_identifier
@as_json_option
@with_client
def revisions(client: Client, identifier: str, *, as_json: bool) -> None:
    """Prints the revisions."""
    columns = ("revision", "added_count", "train_count", "validation_count", "test_count", "content_hash", "created_at")
    show(client.datasets.revisions(identifier), columns, as_json=as_json, most=1000)


DATASETS = (upload, infer, download, splits, sample, revisions)
