"""The gate: totals are exact, limits hold over all workers, and what a dead worker left is settled."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.json_format import MessageToDict

from domain.pricing import Usage
from framework.errors import DependencyUnavailable
from framework.identifiers import new_id
from framework.storage import Database
from framework.tasks import stopped
from framework.testing.waiting import until
from framework.testing.workbench import PASSWORD, Workbench
from services.program.connectors.answer import Answer
from services.program.connectors.endpoint import Endpoint, Limits
from services.program.connectors.faults import BudgetSpent, RateLimited
from services.program.metering import keeping, lane
from services.program.metering.lane import Lane
from services.program.metering.work import Budget, Work
from tests.integration.program.metered import BODY, drawn, endpoint, gate, said, totals


async def test_totals_are_exact_whoever_calls(bench: Workbench, program_url: str) -> None:
    """Fifty threads in five workers: every call is counted once, in tokens and in money, and nothing stays held."""
    where, organization = endpoint(spend_nanos_per_month=10**12, concurrency=20), new_id()

    async def one_thread() -> None:
        database = Database(program_url, PASSWORD, "program", size=2)
        await database.open()
        async with gate(database) as made:
            work = Work(organization)
            await asyncio.gather(*(made.call(where, work, BODY, 50, said(7)) for _ in range(4)))
        await database.close()

    # Connections are dear; five at a time are fifty threads all the same.
    few = threading.Semaphore(5)

    def run() -> None:
        with few:
            asyncio.run(one_thread())

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    total = await totals(bench.database, where)
    assert (total.requests, total.input_tokens, total.output_tokens, total.cost_nanos) == (
        200,
        1_400,
        1_400,
        200 * 14_000,
    )
    assert await drawn(bench.database, where, "money") == 200 * 14_000
    assert await drawn(bench.database, where, "slots") == 0


async def test_a_spending_limit_is_never_passed_and_what_it_allows_can_be_spent(bench: Workbench) -> None:
    """Two workers that draw from it at once; the share of an organization holds beside everybody's."""
    where, organization = endpoint(spend_nanos_per_month=2_000_000), new_id()
    async with gate(bench.database) as first, gate(bench.database) as second:
        asked = [made.call(where, Work(organization), BODY, 50, said(10)) for made in (first, second) * 60]
        ended = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in ended if isinstance(each, BudgetSpent)]
        assert len(refused) + sum(isinstance(each, tuple) for each in ended) == 120 and refused
        mine = replace(where, id=new_id(), share=Limits(spend_nanos_per_month=100_000))
        await first.call(mine, Work(organization), BODY, 10, said(1))
        with pytest.raises(BudgetSpent):
            await first.call(mine, Work(organization), BODY, 100, said(1))
        await first.call(mine, Work(new_id()), BODY, 10, said(1))
    spent = (await totals(bench.database, where)).cost_nanos
    # One call more would not have fitted: it has to set aside 50 tokens of output and its input.
    assert 2_000_000 - 120_000 <= spent <= 2_000_000
    assert await drawn(bench.database, where, "money") == spent


async def minutes(database: Database, where: Endpoint, organization: UUID) -> int:
    """Returns in how many minutes an organization's requests were counted."""
    sql = """SELECT FROM model_allowances WHERE connector_id = %(id)s AND organization_id = %(organization)s
             AND unit = 'requests'"""
    async with database.system() as tx:
        return len(await tx.fetch(sql, {"id": where.id, "organization": organization}))


class Crowd:
    """A model that notes who is served, in which order, and how many at once."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.order: list[UUID] = []

    def ask(self, organization: UUID) -> Callable[[], Any]:
        """Returns what serves one organization."""

        async def answer() -> Answer:
            self.running += 1
            self.most = max(self.most, self.running)
            self.order.append(organization)
            await asyncio.sleep(0.002)
            self.running -= 1
            return Answer("ok", Usage(1, 1))

        return answer


async def test_concurrency_holds_over_all_workers(bench: Workbench) -> None:
    """Three at once of two workers together, and all are served."""
    where, crowd, who = endpoint(concurrency=3), Crowd(), new_id()
    async with gate(bench.database) as first, gate(bench.database) as second:
        calls = [made.call(where, Work(who), BODY, 5, crowd.ask(who)) for _ in range(10) for made in (first, second)]
        await asyncio.gather(*calls)
    assert crowd.most <= 3 and len(crowd.order) == 20


async def test_turns_are_taken_by_weight(bench: Workbench) -> None:
    """While calls wait, weight 3 is served three times as often as weight 1, however many came before."""
    where, crowd = endpoint(concurrency=1), Crowd()
    light, heavy = new_id(), new_id()
    async with gate(bench.database) as made:
        calls = [
            made.call(replace(where, weight=weight), Work(who), BODY, 5, crowd.ask(who))
            for who, weight in ((light, 1), (heavy, 3))
            for _ in range(16)
        ]
        await asyncio.gather(*calls)
    early = Counter(crowd.order[:16])
    assert len(crowd.order) == 32 and 11 <= early[heavy] <= 13


async def test_requests_of_a_minute_are_bounded_and_the_rest_waits(bench: Workbench) -> None:
    """Those of one's own share too: others pass meanwhile."""
    where, slow, other = endpoint(), new_id(), new_id()
    where = replace(where, share=Limits(requests_per_minute=2))
    async with gate(bench.database) as made:
        tasks = [asyncio.create_task(made.call(where, Work(slow), BODY, 5, said())) for _ in range(4)]

        async def served() -> bool:
            return sum(task.done() for task in tasks) >= 2

        await until(served)
        await asyncio.gather(*(made.call(where, Work(other), BODY, 5, said()) for _ in range(2)))
        done = sum(task.done() for task in tasks)
        # A minute of the clock may have ended in between.
        assert done <= 2 * await minutes(bench.database, where, slow)
        await stopped(tasks)


async def test_what_a_dead_worker_left_is_settled_at_what_was_set_aside(bench: Workbench) -> None:
    """Marked as estimated; its holdings go back, and its late settlement changes nothing."""
    where, organization = endpoint(spend_nanos_per_month=10_000_000, concurrency=5), new_id()
    never = asyncio.Event()

    async def hang() -> Answer:
        await never.wait()
        return Answer("late", Usage(1, 1))

    async with gate(bench.database, close=False) as dying:
        hanging = asyncio.create_task(dying.call(where, Work(organization), BODY, 50, hang))
        await dying.call(where, Work(organization), BODY, 50, said(10))
        await dying.books.written()
        await until(lambda: _open_calls(bench.database, dying.worker))
    async with bench.database.system() as tx:
        await tx.execute(
            "UPDATE model_workers SET lease_until = now() - interval '1 s' WHERE worker = %(w)s", {"w": dying.worker}
        )
    assert await keeping.sweep(bench.database) == 1
    total = await totals(bench.database, where)
    assert (total.requests, total.estimated_requests) == (2, 1) and total.cost_nanos > 20_000 + 50_000
    assert await drawn(bench.database, where, "money") == total.cost_nanos
    assert await drawn(bench.database, where, "slots") == 0
    never.set()
    await hanging
    await dying.books.written()
    assert MessageToDict(await totals(bench.database, where)) == MessageToDict(total)


async def _open_calls(database: Database, worker: str) -> int:
    async with database.system() as tx:
        row = await tx.fetch_one(
            "SELECT count(*) AS n FROM model_calls WHERE worker = %(w)s AND status = 'STATUS_RESERVED'", {"w": worker}
        )
    return int(row["n"]) if row else 0


async def test_what_is_not_told_is_estimated_what_failed_is_free_and_what_is_unknown_stays_unknown(
    bench: Workbench,
) -> None:
    """A budget of one piece of work is kept by what is set aside, and refuses what has no price."""
    where, organization = endpoint(), new_id()

    async def silent() -> Answer:
        return Answer("ok", None)

    async def limited() -> Answer:
        raise RateLimited("later")

    async with gate(bench.database) as made:
        work = Work(organization, budget=Budget(300_000))
        _, charge = await made.call(where, work, BODY, 50, silent)
        assert charge.estimated and charge.cost_nanos == work.budget.spent_nanos > 50_000
        with pytest.raises(RateLimited):
            await made.call(where, work, BODY, 50, limited)
        assert work.budget.spent_nanos == charge.cost_nanos and work.budget.reserved_nanos == 0
        with pytest.raises(BudgetSpent, match="limit"):
            await made.call(where, work, BODY, 300, said())
        unpriced = replace(where, prices=())
        with pytest.raises(BudgetSpent, match="unknown"):
            await made.call(unpriced, work, BODY, 5, said())
        _, charge = await made.call(unpriced, Work(organization), BODY, 5, said())
        assert charge.cost_nanos is None
    total = await totals(bench.database, where)
    assert (total.requests, total.failed_requests, total.unpriced_requests) == (2, 1, 1)


async def _none_drawn(database: Database, where: Endpoint) -> bool:
    return not await drawn(database, where, "slots")


async def test_limits_are_given_back_after_the_database_was_away(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate goes on tidying: else a limit stays with whoever had it last until that worker ends."""
    monkeypatch.setattr(lane, "IDLE_SECONDS", 0.0)
    where, tries = endpoint(concurrency=1), 0
    usual = Lane.tidy

    async def away_once(self: Lane) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise DependencyUnavailable("the database does not answer", service="database")
        await usual(self)

    monkeypatch.setattr(Lane, "tidy", away_once)
    async with gate(bench.database) as made:
        await made.call(where, Work(new_id()), BODY, 5, said())
        await until(lambda: _none_drawn(bench.database, where))
    assert tries > 1


async def test_a_call_whose_opening_the_database_lost_is_in_the_books_all_the_same(bench: Workbench) -> None:
    """Nobody waits until an opening is on disk: a database that dies at once forgets it, and the call is made."""
    where, organization = endpoint(spend_nanos_per_month=10**9), new_id()

    async def forgotten() -> Answer:
        async with bench.database.system() as tx:
            await tx.execute("DELETE FROM model_calls WHERE connector_id = %(id)s", {"id": where.id})
        return Answer("ok", Usage(10, 10))

    async with gate(bench.database) as made:
        await made.call(where, Work(organization), BODY, 50, forgotten)
        await made.books.written()
    total = await totals(bench.database, where)
    assert (total.requests, total.cost_nanos) == (1, 20_000) and await drawn(bench.database, where, "money") == 20_000
