"""Appends lines to a dataset: whoever they come from, they are one revision, all of them or none."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import dataset_pb2

from framework.engine import Call
from framework.engine.acting import check_etag
from framework.identifiers import new_id
from framework.resource import spec_of
from framework.storage import Transaction, codec_of, increment
from services.program.datasets.gathering import Gathering
from services.program.datasets.lines import Line, Lines
from services.program.resources.dataset import Dataset

COUNTS = {"SPLIT_TRAIN": "train_count", "SPLIT_VALIDATION": "validation_count", "SPLIT_TEST": "test_count"}
_BATCH = 2000
_BATCH_BYTES = 4 * 2**20
# Row-level security refuses COPY; one statement for many rows is nearly as fast, and JSON is only spliced.
_INSERT = """
INSERT INTO examples (organization_id, id, dataset_id, split, inputs, outputs, position, revision, group_key,
                      content_key, execution_id)
SELECT %(organization_id)s, r.id, %(dataset_id)s, r.split, r.inputs, r.outputs, r.place, %(revision)s, r.grp, r.content,
       %(execution_id)s
FROM jsonb_to_recordset(%(rows)s::jsonb)
     AS r(id uuid, place bigint, split text, grp text, content text, inputs jsonb, outputs jsonb)
"""
_KNOWN = """
SELECT content_key FROM examples
WHERE organization_id = %(organization_id)s AND dataset_id = %(dataset_id)s AND content_key = ANY(%(contents)s::text[])
"""
_REVISION = """
INSERT INTO dataset_revisions (organization_id, id, dataset_id, revision, content_hash, added_count,
                               train_count, validation_count, test_count)
VALUES (%(organization_id)s, %(id)s, %(dataset_id)s, %(revision)s, %(content_hash)s, %(added_count)s,
        %(train_count)s, %(validation_count)s, %(test_count)s)
"""


@dataclass
class Appended:
    """What became of lines: the dataset as it stands, and how many of them were added or left out."""

    dataset: dataset_pb2.Dataset
    duplicates: int = 0
    added: int = 0
    ids: list[tuple[UUID, Line]] = field(default_factory=list)
    """The added examples with their ids, for whoever asked for them."""


async def append(
    call: Call,
    identifier: str,
    verb: str,
    lines: Iterable[Line],
    *,
    etag: str = "",
    skip: bool = False,
    tell: bool = False,
    execution_id: UUID | None = None,
) -> Appended:
    """Appends lines as the dataset's next revision, under the policies of a verb; without any it stays as it is.

    `skip` leaves out what the dataset has already; `tell` has the ids returned; `execution_id` is of what they were
    made. Memory holds one batch.
    """
    async with call.transaction() as tx:
        row = await call.row(Dataset, identifier, verb=verb, lock=True)
        check_etag(row, etag)
        growth = _Growth(tx, row, execution_id)
        for batch in _batches(lines):
            await growth.take(batch, skip=skip, tell=tell)
        growth.done.dataset = await growth.finish(lambda columns: call.update(Dataset, identifier, columns, verb=verb))
    return growth.done


class _Growth:
    """A dataset that grows, its row locked: batch by batch, then its counts, its hash and its revision."""

    def __init__(self, tx: Transaction, row: Mapping[str, Any], execution_id: UUID | None) -> None:
        self.done = Appended(dataset_pb2.Dataset())
        self._tx = tx
        self._row = row
        self._names = {
            "organization_id": row["organization_id"],
            "dataset_id": row["id"],
            "revision": row["revision"] + 1,
            "execution_id": execution_id,
        }
        dataset = codec_of(spec_of(Dataset)).message(row)
        rule = dataset.split_rule
        self._gathering = (
            Gathering(tx, Lines(dataset), self._names, rule.likeness) if rule.HasField("likeness") else None
        )
        self._position = sum(row[count] for count in COUNTS.values())
        self._counts: Counter[str] = Counter()
        self._hash = hashlib.sha256(row["content_hash"].encode())

    async def take(self, batch: Sequence[Line], *, skip: bool, tell: bool) -> None:
        """Writes a batch."""
        fresh = await self._fresh(batch) if skip else batch
        self.done.duplicates += len(batch) - len(fresh)
        if not fresh:
            return
        ids = [new_id() for _ in fresh]
        if self._gathering is not None:
            fresh = await self._gathering.gathered(fresh, ids, self._position)
        # Not waited for: the database writes one batch while Python makes the next.
        await self._tx.send(_INSERT, self._names | {"rows": _written(ids, fresh, self._position)})
        self._position += len(fresh)
        self.done.added += len(fresh)
        self._counts.update(line.split for line in fresh)
        for line in fresh:
            self._hash.update(line.hashed)
        if tell:
            self.done.ids += zip(ids, fresh, strict=True)

    async def _fresh(self, batch: Sequence[Line]) -> list[Line]:
        rows = await self._tx.fetch(_KNOWN, self._names | {"contents": [line.content for line in batch]})
        known = {row["content_key"] for row in rows}
        fresh = []
        for line in batch:
            if line.content not in known:
                known.add(line.content)
                fresh.append(line)
        return fresh

    async def finish(self, update: Callable[[Mapping[str, Any]], Any]) -> dataset_pb2.Dataset:
        """Keeps the revision, if there is anything in it, and returns the dataset."""
        content_hash = self._hash.hexdigest() if self.done.added else self._row["content_hash"]
        columns: dict[str, Any] = {COUNTS[split]: increment(count) for split, count in self._counts.items()}
        if self.done.added:
            columns |= {"revision": increment(), "content_hash": content_hash}
            totals = {count: self._row[count] + self._counts[split] for split, count in COUNTS.items()}
            kept = {"id": new_id(), "content_hash": content_hash, "added_count": self.done.added}
            await self._tx.execute(_REVISION, self._names | totals | kept)
        dataset: dataset_pb2.Dataset = await update(columns)
        return dataset


def _written(ids: Sequence[UUID], lines: Sequence[Line], first: int) -> str:
    """Returns lines as one JSON array: what is JSON already is not read again."""
    rows = [
        f'{{"id":"{each}","place":{place},"split":"{line.split}","grp":"{line.group}","content":"{line.content}",'
        f'"inputs":{line.inputs.decode()},"outputs":{line.outputs.decode()}}}'
        for place, (each, line) in enumerate(zip(ids, lines, strict=True), start=first)
    ]
    return f"[{','.join(rows)}]"


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Yields lines in batches, bounded in rows and in bytes."""
    batch, size = list[Line](), 0
    for line in lines:
        batch.append(line)
        size += len(line.inputs) + len(line.outputs)
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
