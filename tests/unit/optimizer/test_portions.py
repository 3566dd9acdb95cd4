"""Calls that are served together: each answered once, whatever becomes of the others."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from framework.errors import NotFound
from services.optimizer.portions import MOST, Portions


async def test_what_comes_meanwhile_is_served_together() -> None:
    """The first alone, whoever came while it was served at once, at most so many, in their order."""
    portions, served = Portions[int](), list[list[int]]()

    async def serve(works: Sequence[int]) -> list[int]:
        await asyncio.sleep(0.01)
        served.append(list(works))
        return [work * 2 for work in works]

    count = MOST + 5
    answers = await asyncio.gather(*(portions.served("run", n, serve) for n in range(count)))
    assert answers == [n * 2 for n in range(count)]
    assert [n for each in served for n in each] == [*range(count)] and max(map(len, served)) <= MOST
    assert len(served) == 2


async def test_one_that_fails_is_refused_alone() -> None:
    """The portion is undone and served again one by one; the wrong call hears its own error."""
    portions, done = Portions[int](), list[int]()

    async def serve(works: Sequence[int]) -> list[int]:
        if 3 in works:
            raise ValueError("three")
        done.extend(works)
        return list(works)

    answers = await asyncio.gather(*(portions.served("run", n, serve) for n in range(6)), return_exceptions=True)
    assert [each for each in answers if isinstance(each, int)] == [0, 1, 2, 4, 5] == done
    assert str(answers[3]) == "three"


async def test_a_caller_that_is_gone_holds_nobody_back() -> None:
    """It is left out when it is gone before its turn; the others are served."""
    portions, gate = Portions[int](), asyncio.Event()

    async def serve(works: Sequence[int]) -> list[int]:
        await gate.wait()
        return list(works)

    first, gone, last = (asyncio.create_task(portions.served("run", n, serve)) for n in range(3))
    await asyncio.sleep(0)
    gone.cancel()
    gate.set()
    assert (await first, await last) == (0, 2)
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_what_is_left_of_a_portion_is_served_next() -> None:
    """In their order, before whatever came later."""
    portions, served = Portions[int](), list[int]()

    async def serve(works: Sequence[int]) -> list[int]:
        done = list(works[:2])
        served.extend(done)
        await asyncio.sleep(0)
        return done

    assert await asyncio.gather(*(portions.served("run", n, serve) for n in range(7))) == [*range(7)] == served


async def test_a_refusal_is_answered_without_holding_the_others_up() -> None:
    """What was refused before it did anything needs no second try of the portion."""
    portions, served = Portions[int](), list[list[int]]()

    async def serve(works: Sequence[int]) -> list[Any]:
        served.append(list(works))
        return [NotFound("run", "7") if work == 2 else work for work in works]

    answers = await asyncio.gather(*(portions.served("run", n, serve) for n in range(4)), return_exceptions=True)
    assert isinstance(answers[2], NotFound) and [answers[0], answers[1], answers[3]] == [0, 1, 3]
    assert served == [[0, 1, 2, 3]]
