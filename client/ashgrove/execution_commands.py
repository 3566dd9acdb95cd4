"""The commands about what executions were worth: feedback, and examples that are made of them."""

from typing import Any

import click

from ashgrove.client import Client
from ashgrove.opening import json_object, with_client
from ashgrove.printing import console, show_one
from ashgrove.programs import SPLITS

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


FEEDBACK = (give, take_back)
