"""Lets parts of executions go that their programs keep no longer; the rows stay, with what they took and cost.

Each program remembers up to which id each part has gone, so that a pass reads only what has come due since.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from framework.storage import Database
from services.program.keeping import UNTOLD
from services.program.resources.execution import ENDED
from services.program.retention.batches import BATCH, FIRST, Counts, batch, id_at, tell

LAPSED = "executions.lapsed"
# Rows are visible when their transaction commits, and their ids are older.
_GRACE = timedelta(minutes=1)
_PLAIN = [
    *("kind", "path", "call", "model", "input_tokens", "output_tokens", "cost_nanos", "estimated", "latency_ms"),
    *("error_class", "ended_after_ms", "tool", "shortened"),
]
"""What a step tells beside values and words."""
_BARE = """(SELECT jsonb_agg((SELECT jsonb_object_agg(key, value) FROM jsonb_each(step) WHERE key = ANY(%(plain)s))
    || '{"shortened": true}') FROM jsonb_array_elements(steps) AS step)"""
_WORDS = f"steps = {_BARE}, error = CASE WHEN error = '' THEN '' ELSE %(untold)s END"
_WORDY = """(error NOT IN ('', %(untold)s) OR EXISTS (
    SELECT FROM jsonb_array_elements(steps) AS step, jsonb_object_keys(step) AS key WHERE key <> ALL(%(plain)s)))"""
_DUE = """
SELECT organization_id, id, retention, lapsed, clock_timestamp() AS now,
    (SELECT e.id FROM executions e WHERE e.organization_id = p.organization_id AND e.program_id = p.id
        AND e.status IN ('WORK_STATUS_PENDING', 'WORK_STATUS_RUNNING') ORDER BY e.id LIMIT 1) AS first_open
FROM (SELECT p.organization_id, p.id, p.lapsed, coalesce(d.defaults -> 'execution_retention', '{}')
        || coalesce(p.execution_retention, '{}') AS retention
    FROM programs p LEFT JOIN program_defaults d ON d.organization_id = p.organization_id) AS p
WHERE retention <> '{}'
"""
_LET_GO = """
WITH due AS (
    SELECT organization_id, id FROM executions
    WHERE organization_id = %(organization)s AND program_id = %(program)s AND id >= %(after)s AND id < %(before)s
        AND status = ANY(%(ended)s)
    ORDER BY id LIMIT %(limit)s),
gone AS (
    UPDATE executions e SET {change} FROM due
    WHERE e.organization_id = due.organization_id AND e.id = due.id AND {held} RETURNING e.id)
SELECT (SELECT count(*) FROM gone) AS gone, (SELECT count(*) FROM due) AS due,
    (SELECT id FROM due ORDER BY id DESC LIMIT 1) AS last
"""
_REMEMBER = """
UPDATE programs SET lapsed = lapsed || %(reached)s
WHERE organization_id = %(organization)s AND id = %(program)s
"""


@dataclass(frozen=True)
class _Part:
    """A part of executions that lapses: by whose days, what goes, and which rows still have it."""

    name: str
    days: tuple[str, ...]
    change: str
    held: str


_PARTS = (
    _Part("inputs", ("inputs_days",), "inputs = NULL, cache_key = ''", "inputs IS NOT NULL"),
    _Part("outputs", ("outputs_days",), "outputs = NULL, cache_key = ''", "outputs IS NOT NULL"),
    _Part("words", ("inputs_days", "outputs_days"), _WORDS, _WORDY),
    _Part("steps", ("steps_days",), "steps = NULL, steps_left_out = 0", "steps IS NOT NULL"),
)


async def let_lapse(database: Database) -> Counts:
    """Does one pass over the programs that do not keep everything; raises Busy while another process is at it."""
    counts = Counts()
    async with database.system() as tx:
        programs = await tx.fetch(_DUE)
    for program in programs:
        for part, before in _due(program):
            counts["lapsed", part.name] += await _let_go(database, program, part, before)
    return +counts


def _due(program: Mapping[str, Any]) -> Iterator[tuple[_Part, UUID]]:
    """Yields the parts that lapse, each with the id up to which it does now."""
    for part in _PARTS:
        days = [program["retention"][name] for name in part.days if name in program["retention"]]
        if days:
            before = id_at(_instant(program["now"], min(days)))
            yield part, min(before, program["first_open"] or before)


def _instant(now: datetime, days: int) -> datetime:
    return now - timedelta(days=days) - _GRACE


async def _let_go(database: Database, program: Mapping[str, Any], part: _Part, before: UUID) -> int:
    """Lets a part go, batch by batch, from where the last pass came to."""
    after, total, going = UUID(program["lapsed"].get(part.name, str(FIRST))), 0, True
    names = {"organization": program["organization_id"], "program": program["id"], "before": before, "limit": BATCH}
    names |= {"ended": list(ENDED), "plain": _PLAIN, "untold": UNTOLD}
    statement = _LET_GO.format(change=part.change, held=part.held)
    while going and after < before:
        async with batch(database) as tx:
            done = await tx.fetch_one(statement, names | {"after": after})
            assert done is not None
            going = done["due"] == BATCH
            after = UUID(int=done["last"].int + 1) if going else before
            if done["due"]:  # where nothing came due since, there is nothing to pass over next time
                await tx.execute(_REMEMBER, names | {"reached": Jsonb({part.name: str(after)})})
            if done["gone"]:
                told = {"part": part.name, "count": done["gone"], "before_id": str(after)}
                await tell(tx, program["organization_id"], LAPSED, told, "program", str(program["id"]))
        total += done["gone"]
    return total
