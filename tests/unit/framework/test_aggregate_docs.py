"""Every aggregate that the documentation shows as a command is one; every computed field is told of."""

import re
import shlex
from pathlib import Path
from uuid import UUID

import pytest
from ashgrove import cli
from ashgrove.resource.v1.aggregate_pb2 import AggregateRequest

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.aggregating import Asked
from framework.resource import ResourceSpec
from services.describe import registries

PAGE = Path("docs/aggregates.md").read_text()
SPECS: dict[str, ResourceSpec] = {s.collection: s for registry in registries() for s in registry.specs.values()}
SHOWN = re.findall(r"^    ashgrove aggregate (.*)$", PAGE, re.MULTILINE)
USER = Actor(ActorKind.USER, str(UUID(int=1)), UUID(int=2), Role.USER)


@pytest.mark.parametrize("command", SHOWN)
def test_documented_aggregates_are_aggregates(command: str) -> None:
    """Over the collection that they are shown for."""
    asked = cli.main.commands["aggregate"].make_context("aggregate", shlex.split(command)).params
    request = AggregateRequest(
        measures=asked["measures"],
        group_by=asked["by"],
        filter=asked["condition"],
        having=asked["having"],
        order_by=asked["order_by"],
        limit=asked["most"],
    )
    assert Asked(SPECS[asked["collection"]], Context(USER, "Aggregate", "", 0.0), request).statement()


def test_something_is_shown() -> None:
    """Otherwise the test above would hold of nothing."""
    assert len(SHOWN) >= 8


def test_every_computed_field_is_told_of() -> None:
    """With its resource."""
    told = {
        noun: set(re.findall(r"`(\w+)`", names)) for noun, names in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.M)
    }
    declared = {spec.noun: set(spec.computed) for spec in SPECS.values() if spec.computed}
    assert told == declared
