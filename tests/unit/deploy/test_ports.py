"""Ports of servers: free ones, in a row, where the kernel puts no connection."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.ports import free_port, is_free
from deploy.local.processes import ports
from deploy.local.settings import StackSettings


def test_ports_are_free_and_beside_each_other() -> None:
    """And none of them is one that a connection is given meanwhile."""
    first = free_port(12)
    assert all(is_free(first + i) for i in range(12))
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert first + 12 <= (low if low > 20_000 else 32_768)


def test_the_stack_listens_where_no_connection_is_put() -> None:
    """A service's port would else be taken now and then by whoever connects while the stack starts."""
    usual = ports(StackSettings(base_port=StackSettings.model_fields["base_port"].default))
    assert all(10_000 <= port < 32_768 for port in usual.values())


def test_a_port_that_was_given_is_given_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens there yet; neither this process nor another one is given it, nor a row that it stands in."""
    given = free_port(3)
    candidates, usual = [given + 1, given - 1], secrets.choice
    found = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE.format(candidates=candidates)], check=True, capture_output=True, text=True
    )
    assert int(found.stdout) not in candidates
    tried = list(candidates)
    monkeypatch.setattr(secrets, "choice", lambda free: tried.pop(0) if tried else usual(free))
    assert free_port(2) not in candidates and not tried


_ELSEWHERE = """
import secrets
from deploy.local.ports import free_port
tried, usual = {candidates}, secrets.choice
secrets.choice = lambda free: tried.pop(0) if tried else usual(free)
print(free_port(2))
"""
