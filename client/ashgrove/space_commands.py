"""The commands about spaces beyond listing them: draw, carry over, propose, and say what mattered."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from ashgrove.client import Client
from ashgrove.opening import json_object, json_objects, with_client
from ashgrove.printing import as_json_option, console, show_one
from ashgrove.values import to_plain

FORMS = ("optuna", "configspace", "vizier", "ax")
STRATEGIES = ("random", "sobol", "halton", "latin_hypercube", "grid", "default", "perturb", "crossover")

_identifier = click.argument("identifier")
_form = click.argument("form", type=click.Choice(FORMS))


@click.command("generate", help="Draw configurations, one JSON object a line; the same seed gives the same ones.")
@_identifier
@click.option("--count", default=10, show_default=True, help="How many, up to a million.")
@click.option("--seed", default=0, help="The seed of the draw.")
@click.option("--strategy", type=click.Choice(STRATEGIES), default="random", show_default=True)
@click.option("--index", default=0, help="Where to begin.")
@click.option("--total", default=0, help="The size of a Latin hypercube.")
@click.option("--maximin", is_flag=True, help="Take a wide Latin hypercube.")
@click.option("--levels", default=0, help="The grid's values of each continuous variable; 5 when left out.")
@click.option("--around", multiple=True, callback=json_objects, help="What to perturb or cross, JSON; may be repeated.")
@with_client
def generate(client: Client, identifier: str, **asked: Any) -> None:
    """Prints each configuration as soon as it comes."""
    for values in client.spaces.stream(identifier, **asked):
        click.echo(json.dumps(values, ensure_ascii=False))


@click.command("validate", help="Judge values, a JSON object; exit code 1 where they are no configuration.")
@_identifier
@click.argument("values", callback=json_object)
@with_client
def validate(client: Client, identifier: str, values: dict[str, Any]) -> None:
    """Prints normalised values, or every violation."""
    verdict = client.spaces.validate(identifier, values)
    show_one(verdict)
    if not verdict.valid:
        sys.exit(1)


@click.command("export", help="Write a space for another library; what does not carry over is told on stderr.")
@_identifier
@_form
@with_client
def export(client: Client, identifier: str, form: str) -> None:
    """Prints the document."""
    written = client.spaces.export(identifier, form)
    _remark(written.remarks)
    click.echo(written.content)


@click.command("import", help="Create a space from another library's document.")
@_form
@click.argument("document", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="What the space is called.")
@click.option("--upsert", is_flag=True, help="Change the space that has the name, if there is one.")
@with_client
def import_(client: Client, form: str, document: Path, name: str, *, upsert: bool) -> None:
    """Prints the space."""
    read = client.spaces.read(form, document.read_text())
    _remark(read.remarks)
    if upsert:
        read.variable_space.name = name
        show_one(client.spaces.upsert(read.variable_space)[0])
    else:
        show_one(client.spaces.create(name, read.variable_space))


@click.command("extract", help="Propose what of a program may be tuned; with --name, create it.")
@click.argument("program")
@click.option("--model", "models", multiple=True, help="A model to choose from; may be repeated.")
@click.option("--slots", is_flag=True, help="Propose prompts, too.")
@click.option("--dataset", "dataset_id", default="", help="With --slots: propose which of its examples are shown, too.")
@click.option("--name", default="", help="What the space is called; it is only shown when left out.")
@with_client
def extract(client: Client, program: str, name: str, **asked: Any) -> None:
    """Prints the proposal, or the space."""
    proposal = client.spaces.extract(program, **asked)
    show_one(client.spaces.create(name, proposal) if name else proposal)


@click.command("from-presets", help="Create a space of copies of presets.")
@click.argument("presets", nargs=-1, required=True)
@click.option("--name", required=True, help="What the space is called.")
@with_client
def from_presets(client: Client, presets: tuple[str, ...], name: str) -> None:
    """Prints the space."""
    show_one(client.spaces.from_presets(name, presets))


@click.command("add-defaults", help="Add the platform's presets that the organization lacks.")
@with_client
def add_defaults(client: Client) -> None:
    """Prints the names of those that were added."""
    for preset in client.presets.add_defaults():
        click.echo(preset.name)


@click.command("importance", help="Say which variables mattered in runs, with the interval of each share.")
@click.argument("runs", nargs=-1, required=True)
@click.option("--objective", default="", help="The metric; the first objective when left out.")
@click.option("--method", type=click.Choice(("ped_anova", "fanova")), default="ped_anova", show_default=True)
@as_json_option
@with_client
def importance(client: Client, runs: tuple[str, ...], objective: str, method: str, *, as_json: bool) -> None:
    """Prints the variables, the most important first."""
    found = client.runs.importance(*runs, objective=objective, method=method)
    if as_json:
        show_one(found)
        return
    for each in found.effects:
        share, low, high = (f"{part:.1%}" for part in (each.estimate.share, each.estimate.low, each.estimate.high))
        console.print(f"{each.variable:<32} {share:>6}  {low} to {high}  {_region(each)}", highlight=False)
    console.print(
        f"{found.objective}: {found.trial_count} trials, {found.excluded_count} without a result left out; "
        f"intervals hold {found.interval:.0%} of {found.resample_count} bootstrap samples"
    )


def _region(effect: Any) -> str:
    """Returns where the best trials lie."""
    values = [json.dumps(to_plain(each), ensure_ascii=False) for each in effect.best_region]
    return f"best {values[0]} to {values[1]}" if effect.best_region_is_range else f"best {', '.join(values)}"


def _remark(remarks: Any) -> None:
    for each in remarks:
        plain = to_plain(each)
        click.echo(f"{plain['kind'].removeprefix('KIND_').lower()}: {each.path} {each.message}", err=True)


SPACES = (generate, validate, export, import_, extract, from_presets)
