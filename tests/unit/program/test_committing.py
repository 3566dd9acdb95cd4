"""Commits that many share."""

import asyncio
from collections.abc import Sequence

import pytest

from services.program.committing import Committing


class Book:
    """Takes what it is given, when it may."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may = asyncio.Event()
        self.fault: Exception | None = None

    async def commit(self, batch: Sequence[int]) -> None:
        """Writes a batch down, or does not."""
        await self.may.wait()
        if self.fault is not None:
            raise self.fault
        self.batches.append(list(batch))


async def test_what_comes_during_a_commit_shares_the_next_in_its_order() -> None:
    """There is one commit at a time, however many wait."""
    book = Book()
    committing = Committing(book.commit)
    first = committing.add(1)
    await asyncio.sleep(0)
    others = [committing.add(2), committing.add(3)]
    assert not first.done()
    book.may.set()
    await first
    await asyncio.gather(*others)
    await committing.add(4)
    assert book.batches == [[1], [2, 3], [4]]


async def test_what_came_during_a_commit_waits_for_more_until_somebody_waits_for_it() -> None:
    """What comes when there is none is committed at once."""
    book = Book()
    committing = Committing(book.commit, apart=3600)
    first = committing.add(1)
    await asyncio.sleep(0)
    second = committing.add(2)
    book.may.set()
    await first
    third = committing.add(3)
    await asyncio.sleep(0)
    assert book.batches == [[1]] and not second.done()
    await committing.committed(second)
    assert book.batches == [[1], [2, 3]] and third.done()
    fourth, fifth = committing.add(4), committing.add(5)
    await committing.close()
    assert book.batches[2:] == [[4, 5]] and fourth.done() and fifth.done()


async def test_a_fault_is_told_to_those_whose_commit_it_was() -> None:
    """What comes afterwards is tried anew."""
    book = Book()
    committing = Committing(book.commit)
    book.fault = ValueError("full")
    book.may.set()
    with pytest.raises(ValueError, match="full"):
        await committing.add(1)
    book.fault = None
    await committing.add(2)
    assert book.batches == [[2]]


async def test_what_has_come_is_committed_though_nobody_waits_for_it() -> None:
    """Whoever is cancelled while it closes too: what was paid for must not be paid again."""
    book = Book()
    committing = Committing(book.commit)
    for number in (1, 2):
        committing.add(number)
    closing = asyncio.create_task(committing.close())
    for _ in range(2):
        await asyncio.sleep(0)
        closing.cancel()
    await asyncio.sleep(0.01)
    assert not closing.done()
    book.may.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert book.batches == [[1, 2]]


async def test_nothing_is_committed_after_the_end() -> None:
    """What cannot be committed is given up after a while."""
    book = Book()
    committing = Committing(book.commit)
    waits = committing.add(1)
    await asyncio.sleep(0)
    await committing.close(patience=0.01)
    book.may.set()
    await asyncio.sleep(0)
    assert book.batches == [] and not waits.done()
