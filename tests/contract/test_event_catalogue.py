"""The catalogue of events and the alarms about them speak of what there is."""

import re
from pathlib import Path

import yaml

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
