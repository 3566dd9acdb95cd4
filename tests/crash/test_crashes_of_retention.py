"""Crash injection (`make test-full`): a kill while old payloads go."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ashgrove.areas import AuditArea
from ashgrove.audit.v1.audit_entry_requests_pb2 import VerifyAuditChainRequest

from framework.testing.workbench import workbench
from services.audit.registry import registry
from tests.crash.ways import RETENTION
from tests.integration.audit.chains import TRUSTED, aged
from tests.processes import Processes

MIGRATIONS = Path("services/audit/migrations")


@pytest.fixture
async def keeper(postgres_url: str, tmp_path: Path) -> AsyncIterator[Processes]:
    """Auth and audit, which signs what has grown ten times a second."""
    made = Processes(("auth", "audit"), postgres_url, tmp_path, checkpoint_seconds="0.1")
    made.prepare()
    async with made.running():
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("failpoint", RETENTION)
async def test_a_kill_while_payloads_go_leaves_a_chain_that_holds(
    keeper: Processes, monkeypatch: pytest.MonkeyPatch, failpoint: str
) -> None:
    """They are all there until they have gone with a tombstone, which is told once."""
    async with workbench(registry(), keeper.url, MIGRATIONS, TRUSTED) as bench:
        await aged(bench, monkeypatch, 3, 2)
        admin = bench.admin
    await keeper.restart("audit", failpoint=failpoint, audit_keep_days="40")
    await keeper.killed("audit")
    await keeper.restart("audit")
    for gone, days in ((0, "0"), (3, "40"), (3, "40")):
        await keeper.restart("audit", audit_keep_days=days)
        while True:
            request = VerifyAuditChainRequest()
            found = await keeper.call("audit", AuditArea, "VerifyAuditChain", request, admin)
            assert found.valid, found
            if found.payloads_gone_count == gone:
                break
        assert found.verified_count == 5 + bool(gone)
