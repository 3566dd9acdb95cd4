"""Crash injection (`make test-full`): a service is killed at each failpoint on an event's way into the audit trail."""

import pytest

from framework import failpoints
from tests.processes import Processes
from tests.trail import survives

WAYS = {
    "variables": ["write.recorded", "write.committed", "feed.numbering", "feed.numbered"],
    "audit": [
        *("feed.pulled", "feed.moved", "audit.linked", "feed.handled", "feed.passed"),
        *("checkpoint.signing", "checkpoint.signed"),
    ],
}


def test_every_failpoint_on_the_way_is_one_that_a_service_of_the_trail_dies_at() -> None:
    """A new one must be named here, or lie on another way."""
    import services.audit.__main__  # noqa: F401 - declares what its process can die at

    ours = {name for name in failpoints.declared() if name.split(".")[0] in ("write", "feed", "audit", "checkpoint")}
    assert ours == {name for names in WAYS.values() for name in names}


@pytest.mark.timeout(600)
async def test_a_kill_at_any_failpoint_leaves_one_entry_for_each_event_and_a_whole_chain(processes: Processes) -> None:
    """At the first passing and at a later one, over one trail that all of it has gone through."""
    for victim, names in WAYS.items():
        for name in names:
            await survives(processes, victim, name)
            if name.partition(".")[0] in ("write", "audit"):
                await survives(processes, victim, f"{name}=4")
