"""Gathers near-duplicates: each goes into the group, and so the split, of the first example that it is like."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.rows.grouping import words_of
from domain.rows.likeness import bands, likeness, shingles
from framework.storage import Transaction
from services.program.datasets.lines import Line, Lines

_LEADERS = """
SELECT b.band, e.group_key, e.split, e.position, e.inputs FROM example_bands b
JOIN examples e ON e.organization_id = b.organization_id AND e.id = b.example_id
WHERE b.organization_id = %(organization_id)s AND b.dataset_id = %(dataset_id)s AND b.band = ANY(%(bands)s::bigint[])
ORDER BY e.position
"""
_KEEP = """
INSERT INTO example_bands (organization_id, dataset_id, band, example_id)
SELECT %(organization_id)s, %(dataset_id)s, r.band, r.id
FROM unnest(%(bands)s::bigint[], %(ids)s::uuid[]) AS r(band, id)
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class _Leader:
    """The first example of a group."""

    group: str
    split: str
    place: int
    pieces: frozenset[str]


_Told = tuple[frozenset[str], list[int]]
"""A text's pieces, and its bands."""


@dataclass
class _Placed:
    """Lines with their groups, and the bands of those that lead, each beside its leader's id."""

    lines: list[Line] = field(default_factory=list)
    bands: list[int] = field(default_factory=list)
    leading: list[UUID] = field(default_factory=list)


class Gathering:
    """The groups of one dataset that grows, its row locked.

    An example joins the earliest leader that it is like, else it leads a group of its own. So nothing ever moves,
    whatever is added later: not even two groups that an example between them would join.
    """

    def __init__(self, tx: Transaction, lines: Lines, names: Mapping[str, Any], least: float) -> None:
        self._tx = tx
        self._lines = lines
        self._names = names
        self._least = least

    async def gathered(self, fresh: Sequence[Line], ids: Sequence[UUID], first: int) -> list[Line]:
        """Returns lines with their groups and splits, and keeps by what those that lead are found."""
        told = await asyncio.to_thread(lambda: [self._told(json.loads(line.inputs)) for line in fresh])
        wanted = sorted({band for _, found in told for band in found})
        rows = await self._tx.fetch(_LEADERS, {**self._names, "bands": wanted})
        # Texts that share half of their words are compared each with each: the other calls' time is not taken for it.
        placed = await asyncio.to_thread(lambda: self._placed(zip(fresh, told, ids, strict=True), first, rows))
        if placed.bands:
            await self._tx.send(_KEEP, {**self._names, "bands": placed.bands, "ids": placed.leading})
        return placed.lines

    def _placed(
        self, told: Iterable[tuple[Line, _Told, UUID]], first: int, rows: Iterable[Mapping[str, Any]]
    ) -> _Placed:
        known, placed = self._leaders(rows), _Placed()
        for place, (line, (pieces, found), identifier) in enumerate(told, start=first):
            leader = self._found(known, found, pieces)
            if leader is None:
                line = self._lines.settled(line)
                leader = _Leader(line.group, line.split, place, pieces)
                placed.bands += found
                placed.leading += [identifier] * len(found)
                for band in found:
                    known.setdefault(band, []).append(leader)
            placed.lines.append(line._replace(group=leader.group, split=line.split or leader.split))
        return placed

    def _leaders(self, rows: Iterable[Mapping[str, Any]]) -> dict[int, list[_Leader]]:
        known: dict[int, list[_Leader]] = {}
        seen: dict[int, _Leader] = {}
        for row in rows:
            if row["position"] not in seen:
                pieces = self._pieces(row["inputs"])
                seen[row["position"]] = _Leader(row["group_key"], row["split"], row["position"], pieces)
            known.setdefault(row["band"], []).append(seen[row["position"]])
        return known

    def _found(
        self, known: Mapping[int, Sequence[_Leader]], found: Sequence[int], pieces: frozenset[str]
    ) -> _Leader | None:
        near = {leader.place: leader for band in found for leader in known.get(band, ())}
        alike: Iterator[_Leader] = (
            near[place] for place in sorted(near) if likeness(near[place].pieces, pieces) >= self._least
        )
        return next(alike, None)

    def _told(self, inputs: Mapping[str, Any]) -> _Told:
        pieces = self._pieces(inputs)
        return pieces, bands(pieces)

    def _pieces(self, inputs: Mapping[str, Any]) -> frozenset[str]:
        return shingles(" ".join(words_of(inputs.get(name)) for name in self._lines.grouped))
