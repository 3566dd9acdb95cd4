"""The catalogue of events and the alarms about them speak of what there is."""

import re
from pathlib import Path

import yaml

from framework.engine.writing import left_out
from framework.events.measures import METRICS
from services.auth import gate_measures
from services.describe import registries
from services.event_catalogue import PAGE, page
from services.program.retention import work as retention

ALARMS = Path("deploy/observability/alarms.yaml")
_SUFFIXES = {"s": "_seconds", "1": "_ratio"}


def test_the_catalogue_is_current() -> None:
    """Renew it with `python -m services.event_catalogue`."""
    assert PAGE.read_text() == page()


def test_every_event_of_every_resource_is_in_it() -> None:
    """Also those that no call has caused yet."""
    told = {
        f"{s.singular}.{what}" for registry in registries() for s in registry.specs.values() for what in s.publishes
    }
    assert told and told <= set(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \|", page(), re.MULTILINE))


def test_no_field_is_in_it_that_no_event_tells() -> None:
    """Such as those that a resource declares untold: they are named as left out."""
    sections = page().split("\n### ")
    for spec in (spec for registry in registries() for spec in registry.specs.values() if spec.publishes):
        (section,) = (each for each in sections if each.startswith(f"{spec.noun}\n"))
        told, left = (_fields(section, begins) for begins in ("Fields of `data`:", "Left out:"))
        assert told | left == spec.fields.keys() and not told & left, spec.noun
        assert left == {name for name, f in spec.fields.items() if f.sensitive or name in left_out(spec)}, spec.noun


def _fields(section: str, begins: str) -> set[str]:
    (line,) = (line for line in section.splitlines() if line.startswith(begins))
    return set(re.findall(r"`(\w+)`", line.removeprefix(begins)))


def test_alarms_name_metrics_that_are_measured() -> None:
    """By the names that they have in Prometheus; each alarm says what happened and what to do."""
    rules = [rule for group in yaml.safe_load(ALARMS.read_text())["groups"] for rule in group["rules"]]
    # What retention counts is to be looked at; what is alarming is that it no longer happens.
    age = "ashgrove.retention.age"
    measured = METRICS | gate_measures.METRICS | {age: retention.METRICS[age]}
    known = {name.replace(".", "_") + _SUFFIXES.get(unit, "") for name, (unit, _) in measured.items()}
    assert {name for rule in rules for name in re.findall(r"ashgrove_\w+", rule["expr"])} == known
    assert all({"summary", "remedy"} <= rule["annotations"].keys() for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)
