"""The commands about executions: many at once, what they were worth, and examples that are made of them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import click
from google.protobuf.message import Message

from ashgrove.client import Client
from ashgrove.opening import json_object, with_client
from ashgrove.printing import console, show_one, show_progress
from ashgrove.programs import SPLITS
from ashgrove.values import to_plain

_corrected = click.option("--outputs", callback=json_object, default="{}", help="What should have come out, as JSON.")


@click.command("give", help="Give feedback on an EXECUTION.")
@click.argument("execution")
@click.option("--score", type=float, default=None, help="How good it was, on a scale of your own.")
@click.option("--label", default="", help="What it is called, such as: wrong_language.")
@click.option("--comment", default="", help="What there is to say about it.")
@_corrected
@click.option("--rubric", default="", help="The rubric by which it was scored, such as: helpfulness@3.")
@with_client
def give(client: Client, execution: str, outputs: dict[str, Any], **said: Any) -> None:
    """Shows the feedback as it was kept."""
    show_one(client.feedback.give(execution, corrected_outputs=outputs or None, **said))


@click.command("take-back", help="Take feedback back that you gave.")
@click.argument("identifier")
@with_client
def take_back(client: Client, identifier: str) -> None:
    """Shows the feedback as it is now."""
    show_one(client.feedback.archive(identifier))


@click.command("add-execution", help="Make an EXECUTION an example of a DATASET.")
@click.argument("dataset")
@click.argument("execution")
@click.option("--feedback", "feedback_id", default="", help="Feedback that says what should have come out.")
@_corrected
@click.option("--split", type=click.Choice(list(SPLITS)), default=None, help="By the dataset's rule when absent.")
@click.option("--skip-duplicate", is_flag=True, help="Leave it out when it is there already.")
@with_client
def add_execution(
    client: Client, dataset: str, execution: str, outputs: dict[str, Any], split: str | None, **how: Any
) -> None:
    """Says where it went."""
    done = client.datasets.add_execution(dataset, execution, outputs=outputs or None, split=split or "", **how)
    if done.HasField("example"):
        show_one(done.example)
    else:
        console.print(f"it is there already: dataset {done.dataset.id} is at revision {done.dataset.revision}")


@click.command("batch", help="Run a PROGRAM on each line of FILE, a JSON object with a value for each input.")
@click.argument("program")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--out", type=click.File("w"), default="-", help="Where each result goes, as a line of JSON.")
@click.option("--configuration", callback=json_object, default="{}", help="Values for its variables, as a JSON object.")
@click.option("--dataset", "dataset_id", default="", help="Where demonstrations and rules come from.")
@click.option("--at-once", type=click.IntRange(1, 100), default=25, show_default=True, help="How many a call.")
@click.option(
    "--cached", "allow_cached", is_flag=True, help="Take the outputs of earlier executions that were the same."
)
@click.option("--detached", is_flag=True, help="Do not wait for their ends.")
@with_client
def batch(client: Client, program: str, file: Path, out: IO[str], **how: Any) -> None:
    """Writes the results in the order of the lines, with a bar."""
    lines = list(_objects(file))
    results = client.programs.execute_many(program, lines, **how)
    show_progress(f"{file.name} → {program}", _written(results, out), len(lines))


def _objects(file: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines of a file; raises BadParameter naming the first that is no object."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                found = json.loads(line)
            except ValueError:
                found = None
            if not isinstance(found, dict):
                raise click.BadParameter(f"line {number} of {file.name} is not a JSON object")
            yield found


def _written(results: Iterable[Message], out: IO[str]) -> Iterator[int]:
    for count, result in enumerate(results, start=1):
        out.write(json.dumps(to_plain(result), ensure_ascii=False) + "\n")
        yield count


FEEDBACK = (give, take_back)
