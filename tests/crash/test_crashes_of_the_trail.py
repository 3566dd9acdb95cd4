"""Crash injection (`make test-full`): a service is killed at each failpoint on an event's way into the audit trail."""

import pytest

from tests.crash.ways import TRAIL
from tests.processes import Processes
from tests.trail import survives


@pytest.mark.timeout(600)
async def test_a_kill_at_any_failpoint_leaves_one_entry_for_each_event_and_a_whole_chain(processes: Processes) -> None:
    """At the first passing and at a later one, over one trail that all of it has gone through."""
    for victim, names in TRAIL.items():
        for name in names:
            await survives(processes, victim, name)
            if name.partition(".")[0] in ("write", "audit"):
                await survives(processes, victim, f"{name}=4")
