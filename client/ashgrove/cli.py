"""The command line: `python -m ashgrove`, or `ashgrove` once the client is installed."""

import json
import sys
from itertools import islice

import click
from rich.console import Console
from rich.markup import escape

from ashgrove.audit_commands import verify
from ashgrove.client import Client
from ashgrove.collection_commands import COLLECTIONS, collection
from ashgrove.dataset_commands import DATASETS
from ashgrove.errors import AshgroveError
from ashgrove.evaluation_commands import evaluations
from ashgrove.execution_commands import FEEDBACK, add_execution, batch
from ashgrove.following_commands import FOLLOWING
from ashgrove.opening import with_client
from ashgrove.people_commands import COMMANDS
from ashgrove.printing import as_json_option, console, show
from ashgrove.program_commands import PROGRAMS
from ashgrove.report_commands import report
from ashgrove.run_commands import ask, importing, receive, reports, tell
from ashgrove.space_commands import SPACES, add_defaults, importance
from ashgrove.steering_commands import RUNS


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
    except (AshgroveError, OSError, ValueError) as error:
        Console(stderr=True).print(f"[red]{escape(str(error))}[/red]", soft_wrap=True)
        sys.exit(1)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


_GROUPS = {
    "programs": ("Programs: what is optimized", "id name type status revision created_at", (*PROGRAMS, batch)),
    "aliases": ("Aliases: names for revisions of programs", "id program_id name targets revision", ()),
    "datasets": (
        "Datasets: what a program is judged on",
        "id name train_count validation_count test_count revision",
        (*DATASETS, add_execution),
    ),
    "feedback": (
        "Feedback: what was said about executions",
        "id execution_id score label source created_at",
        FEEDBACK,
    ),
    "spaces": (
        "Variable spaces: what may change, drawn from, and carried to other libraries",
        "id name status revision created_at",
        SPACES,
    ),
    "presets": ("Presets: variables to make spaces of", "id name category status created_at", (add_defaults,)),
    "runs": (
        "Optimization runs: list, follow, pause, stop, ask for the best",
        "id name status completed_trials best_objectives created_at",
        (*FOLLOWING, *RUNS, importance, report, ask, receive, tell, reports),
    ),
    "audit": (
        "The audit trail: who did what, provably",
        "sequence type outcome resource_type resource_id occurred_at",
        (verify,),
    ),
}
"""Each collection with what it is, the columns that are shown of it, and what else can be done with it."""

for name, (told, columns, commands) in _GROUPS.items():
    main.add_command(collection(name, told, tuple(columns.split()), commands))
for command in (evaluations, importing, *COMMANDS, *COLLECTIONS):
    main.add_command(command)


@main.command("status", help="Say which gateway answers, and for which organization.")
@as_json_option
@with_client
def _status(client: Client, *, as_json: bool) -> None:
    names = [o.name for o in islice(client.organizations.list(), 10)]
    if as_json:
        click.echo(json.dumps({"gateway": client.address, "organizations": names}))
    else:
        console.print(f"{client.address} answers; this key sees: {escape(', '.join(names) or 'no organization')}")


@main.command("metrics", help="List what evaluations can measure, and runs can make better.")
@as_json_option
@with_client
def _metrics(client: Client, *, as_json: bool) -> None:
    columns = ("name", "direction", "unit", "low", "high", "aggregation", "description", "error")
    show(client.metrics.list(), columns, as_json=as_json, most=1000)
