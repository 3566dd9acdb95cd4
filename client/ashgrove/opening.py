"""What commands are given: a client that is opened when they run, and JSON objects from the command line."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ashgrove.client import Client
from ashgrove.errors import InvalidArgument


def json_object(context: click.Context, parameter: click.Parameter, value: str) -> dict[str, Any]:
    """Returns a JSON object given on the command line; raises BadParameter with an example of what is right."""
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise click.BadParameter(f"""{value!r} is not a JSON object, such as '{{"text": "Norge och Sverige"}}'""")
    return found


def json_object_or_none(context: click.Context, parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """Returns what `json_object` does, None where the option is left out."""
    return None if value is None else json_object(context, parameter, value)


def json_objects(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> list[dict[str, Any]]:
    """Returns JSON objects given by an option that may be repeated; raises BadParameter as `json_object` does."""
    return [json_object(context, parameter, each) for each in value]


def with_client(function: Callable[..., None]) -> Callable[..., None]:
    """Hands a command its client, opened when it runs: `--help` needs neither key nor gateway."""

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> None:
        with Client.from_environment() as client:
            try:
                function(client, *arguments, **options)
            except InvalidArgument as refused:
                raise _with_remedy(refused, str(options.get("identifier", ""))) from None

    return call


def _with_remedy(refused: InvalidArgument, identifier: str) -> InvalidArgument:
    """Returns a refusal of an id from the command line in words that say where ids are shown; any other as it is."""
    group = click.get_current_context().parent
    named = [violation for violation in refused.violations if violation.path.split("_")[-1] == "id"]
    if not (identifier and named and group):
        return refused
    told = f"{identifier} is no id: ids are UUIDs, and `ashgrove {group.info_name} list` shows them"
    return InvalidArgument(told, refused.reason, refused.metadata, refused.violations)
