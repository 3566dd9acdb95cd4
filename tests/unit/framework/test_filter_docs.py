"""Every filter, order and include that the documentation shows is one."""

import re
import time
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.including import edges_of
from framework.engine.readable import Readable
from framework.query import filter_clause, order_from
from framework.resource import ResourceSpec
from services.describe import registries

SPECS: dict[str, ResourceSpec] = {spec.noun: spec for registry in registries() for spec in registry.specs.values()}
CONTEXT = Context(Actor(ActorKind.USER, str(UUID(int=1)), UUID(int=2), Role.USER), "List", "", time.monotonic() + 60)
PAGES = "".join(Path(f"docs/{page}.md").read_text() for page in ("filters", "relationships"))


def shown(what: str) -> list[tuple[str, str]]:
    """Returns the lines of every block of a kind, each with the resource it is about."""
    blocks = re.findall(rf"```{what} (\w+)\n(.*?)```", PAGES, re.DOTALL)
    return [(noun, line) for noun, block in blocks for line in block.splitlines()]


@pytest.mark.parametrize(("noun", "text"), shown("filter"))
def test_documented_filters_are_filters(noun: str, text: str) -> None:
    """Over the resource that they are shown for."""
    filter_clause(text, Readable(SPECS[noun], CONTEXT))


@pytest.mark.parametrize(("noun", "text"), shown("order"))
def test_documented_orders_are_orders(noun: str, text: str) -> None:
    """Over the resource that they are shown for."""
    order_from(text, Readable(SPECS[noun], CONTEXT))


@pytest.mark.parametrize(("noun", "text"), shown("include"))
def test_documented_includes_are_includes(noun: str, text: str) -> None:
    """Of the resource that they are shown for."""
    edges_of(SPECS[noun], CONTEXT, SimpleNamespace(include=[text]), alone=True)


def test_something_is_shown() -> None:
    """Otherwise the tests above would hold of nothing."""
    assert (len(shown("filter")), len(shown("order")), len(shown("include"))) >= (13, 4, 4)
