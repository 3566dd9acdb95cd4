"""Pieces of executions: written by the worker while it runs, read by whoever follows, deleted soon after the end."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

from framework.errors import Failure
from framework.events.hints import Hints
from framework.storage import Database
from services.program.waking import topic

GATHER_SECONDS = 0.05
SWEEP_SECONDS = 30.0
MOST_TEXT = 2**20
"""How many characters of an execution are told word by word."""
_log = logging.getLogger(__name__)
_WRITE = """
INSERT INTO execution_pieces (organization_id, execution_id, sequence, piece)
SELECT %(organization)s, %(id)s, r.place + coalesce(
    (SELECT max(sequence) FROM execution_pieces WHERE organization_id = %(organization)s AND execution_id = %(id)s), 0),
    r.piece
FROM jsonb_array_elements(%(pieces)s::jsonb) WITH ORDINALITY AS r (piece, place)
WHERE EXISTS (SELECT FROM executions WHERE organization_id = %(organization)s AND id = %(id)s
    AND fencing_token = %(token)s AND status = 'WORK_STATUS_RUNNING')
"""
_SWEEP = """
DELETE FROM execution_pieces p USING executions e
WHERE e.organization_id = p.organization_id AND e.id = p.execution_id
  AND e.completed_at < clock_timestamp() - interval '1 minute'
"""
_RELEASE = """
UPDATE executions SET outputs_held = NULL
WHERE outputs_held IS NOT NULL AND completed_at < clock_timestamp() - interval '1 minute'
"""


class Pieces:
    """Those of one execution that this worker holds: gathered for a moment, written together."""

    def __init__(self, database: Database, hints: Hints, row: Mapping[str, Any]) -> None:
        self._database = database
        self._hints = hints
        self._names = {"organization": row["organization_id"], "id": row["id"], "token": row["fencing_token"]}
        self._waiting: list[dict[str, Any]] = []
        self._some = asyncio.Event()
        self._room = MOST_TEXT
        self._writing = asyncio.Lock()

    def say(self, path: str, call: int, text: str) -> None:
        """Takes some words of a model: those of one call that come together are one piece."""
        text = text.replace("\x00", "\ufffd")[: self._room]
        self._room -= len(text)
        if not text:
            return
        last = self._waiting[-1].get("text") if self._waiting else None
        if last is not None and (last["path"], last["call"]) == (path, call):
            last["text"] += text
        else:
            self._waiting.append({"text": {"path": path, "call": call, "text": text}})
        self._some.set()

    def step(self, step: Mapping[str, Any]) -> None:
        """Takes a step that has ended."""
        self._waiting.append({"step": dict(step)})
        self._some.set()

    async def run(self) -> None:
        """Writes what comes until cancelled; a database that is away is asked again."""
        while True:
            await self._some.wait()
            try:
                await self.written()
            except Failure as failure:
                _log.warning("pieces of execution %s: %s; trying again", self._names["id"], failure)
            await asyncio.sleep(GATHER_SECONDS)

    async def written(self) -> None:
        """Writes what is there, and wakes whoever follows."""
        async with self._writing:
            pieces, self._waiting = self._waiting, []
            self._some.clear()
            if not pieces:
                return
            try:
                async with self._database.system() as tx:
                    await tx.execute(_WRITE, self._names | {"pieces": json.dumps(pieces)})
            except BaseException:
                self._waiting[:0] = pieces
                self._some.set()
                raise
        await self._hints.publish(topic("execution", self._names["id"]))


async def sweep(database: Database) -> None:
    """Deletes pieces of ended executions, and outputs held for them, until cancelled; any number may do so."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await swept(database)
            await released(database)
        except Failure as failure:
            _log.warning("pieces of executions: %s; trying again", failure)


async def released(database: Database) -> int:
    """Lets go of outputs that were only held to be told, a minute after the end, and returns of how many."""
    async with database.system() as tx:
        return await tx.execute(_RELEASE)


async def swept(database: Database) -> int:
    """Deletes the pieces of executions that ended more than a minute ago, and returns how many."""
    async with database.system() as tx:
        return await tx.execute(_SWEEP)
