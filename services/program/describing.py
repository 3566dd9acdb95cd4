"""Describes what is registered, for the API: one description at a time, whoever waits for it."""

import asyncio
import logging

from framework.tasks import stopped
from services.program.code.contract import Catalogue
from services.program.code.pool import Workers

FIRST_SECONDS = 5.0
AGAIN_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Describing:
    """The API process's way to registered code: its worker processes import and describe it, and run none of it."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._task: asyncio.Task[Catalogue] | None = None

    async def describe(self) -> Catalogue:
        """Returns everything that is registered; a caller who gives up waiting does not stop it for the next."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._workers.describe())
        return await asyncio.shield(self._task)

    async def follow(self) -> None:
        """Describes what is registered before anybody asks, and again after every change; runs until cancelled.

        Not at once: importing takes a processor, and this process is to be ready first.
        """
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            try:
                await self.describe()
            except Exception:
                _log.exception("what is registered could not be described; trying again")
            await asyncio.sleep(AGAIN_SECONDS)

    async def close(self) -> None:
        """Ends the worker processes."""
        if self._task is not None:
            await stopped([self._task])
        await self._workers.close()
