"""No log line tells the URL of a call to the outside, for keys may be in it."""

import logging
from collections.abc import Iterator

import pytest

from framework.egress import EgressPolicy
from framework.rpc.logs import set_up
from framework.settings import OutsideSettings
from tests.unit.framework.egress.outside import outside


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.NOTSET)


async def test_a_call_to_the_outside_leaves_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO")
    logging.getLogger("ashgrove").info("a line")
    async with outside() as server:
        async with EgressPolicy(OutsideSettings(egress_allow=("127.0.0.1",))).client() as client:
            await client.get(f"http://127.0.0.1:{server.port}/v1?key=canary")
        assert len(server.requests) == 1
    told = capsys.readouterr().err
    assert "a line" in told
    assert "canary" not in told
