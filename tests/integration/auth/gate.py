"""A gatekeeper that follows a house's database, as ext_authz does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from framework.testing.waiting import until
from services.auth.credentials import Credential, Credentials
from services.auth.gatekeeper import Gatekeeper
from services.auth.refresh import Refresher
from tests.integration.auth.house import House

GET = "/ashgrove.program.v1.ProgramService/GetProgram"


class Gate:
    """A gatekeeper and what keeps its memory current."""

    def __init__(self, house: House) -> None:
        self.credentials = Credentials()
        self.gatekeeper = Gatekeeper(self.credentials, house.tokens, house.application.pepper)
        self.refresher = Refresher(house.database, self.credentials, self.gatekeeper)

    def admitted(self, secret: str, organization: str = "") -> Credential | None:
        """Returns as whom a secret lets a call in, that names an organization or none."""
        admission = self.gatekeeper.admit(GET, f"Bearer {secret}", organization)
        return admission.credential if admission else None

    def admits(self, secret: str, organization: str = "") -> bool:
        """Tells whether a secret lets a call in."""
        return self.admitted(secret, organization) is not None

    async def until(self, secret: str, *, admitted: bool) -> None:
        """Returns as soon as the gate decides so, by itself."""
        await until(lambda: self.admits(secret) is admitted)


@contextlib.asynccontextmanager
async def following(house: House) -> AsyncIterator[Gate]:
    """Yields a gate that hears of every change."""
    gate = Gate(house)
    await gate.refresher.refresh()
    following = asyncio.create_task(gate.refresher.follow())
    yield gate
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
