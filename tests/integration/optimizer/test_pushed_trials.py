"""Trials that come to their client as a stream: when they come, what keeps their leases, how a broken one goes on."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ashgrove.client import Client
from ashgrove.errors import Unavailable
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1 import pushed_trials_pb2 as pb

from framework.call import Actor
from framework.errors import IllegalState, NotFound, NotPermitted
from framework.testing.serving import served
from framework.testing.workbench import Workbench
from services.optimizer.external import pushing
from tests.integration.optimizer.asked import Kind, Run, ask, let_end, now, opened, reached, story, tell, trials
from tests.integration.optimizer.books import started


def pushed(bench: Workbench, run: str, client: str = "a", actor: Actor | None = None, **fields: Any) -> Any:
    method = bench.registry.methods["/ashgrove.optimizer.v1.OptimizerService/PushTrials"]
    request = pb.PushTrialsRequest(id=run, client=client, **fields)
    return bench.engine.stream(method, bench.context(actor or bench.user, "PushTrials", 60.0), request)


async def some(stream: Any) -> list[int]:
    """Returns the numbers of the trials that come next."""
    frame = await anext(stream)
    return [trial.number for trial in frame.item.trials]


@asynccontextmanager
async def nothing_comes(stream: Any) -> AsyncIterator[Any]:
    """Has the next frame waited for in a block, from before it, in which nothing comes; gives what is waited for."""
    coming = asyncio.ensure_future(some(stream))
    await asyncio.sleep(0.1)
    assert not coming.done()
    yield coming


async def test_trials_come_as_others_are_told_and_never_more_than_wanted(bench: Workbench) -> None:
    """Each once, to each of two clients, until the run has ended; the last word says how it stands, and the end."""
    run = await opened(bench, max_trials=5)
    a, b = pushed(bench, run, ahead=2), pushed(bench, run, "b")
    assert await some(a) == [1, 2] and await some(b) == [3]
    await tell(bench, run, "a", reached(2))
    assert await some(a) == [4]
    async with nothing_comes(a) as coming:
        await tell(bench, run, "b", reached(3))
        assert await some(b) == [5]
    await tell(bench, run, "a", reached(1), reached(4))
    await tell(bench, run, "b", reached(5))
    assert await coming == []
    frames = [frame async for frame in b]
    assert [frame.WhichOneof("frame") for frame in frames] == ["item", "end"]
    assert frames[0].item.standing.status == Run.STATUS_COMPLETED and frames[0].item.standing.should_stop
    assert [trial.client for trial in await trials(bench, run)] == ["a", "a", "b", "a", "b"]


async def test_what_a_vanished_client_had_comes_to_whoever_waits(bench: Workbench) -> None:
    """When its lease ends, and not before; the run may have no more trials than that."""
    run = await opened(bench, max_trials=1)
    await ask(bench, run, "gone", lease_seconds=3)  # longer than the next stream takes to begin
    stream = pushed(bench, run, "b")
    assert await some(stream) == []
    assert await some(stream) == [1]
    assert Kind.TYPE_TRIAL_HANDED_ON in await story(bench, run)


async def test_an_open_stream_keeps_all_that_its_client_has(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it asked for besides too; heartbeats are what it hears meanwhile. Once it is left, leases end."""
    monkeypatch.setattr(pushing, "HEARTBEAT_SECONDS", 0.05)
    run = await opened(bench)
    await ask(bench, run, count=2, lease_seconds=1)
    stream = pushed(bench, run, lease_seconds=5)
    assert await some(stream) == [1]
    beats = [await anext(stream) for _ in range(25)]
    assert {frame.WhichOneof("frame") for frame in beats} == {"heartbeat"}
    left = [trial.lease_until.ToDatetime() for trial in await trials(bench, run)]
    await anext(stream)
    await stream.aclose()
    assert [t.number for t in (await ask(bench, run, "b")).trials] == [3]
    await let_end(bench, run, 1)
    assert [t.number for t in (await ask(bench, run, "c")).trials] == [1]
    assert (max(left) - min(left)).total_seconds() < 1


async def test_whoever_comes_back_gets_what_it_has_first(bench: Workbench) -> None:
    """The same trials under the same name; what was told meanwhile is made up for."""
    run = await opened(bench)
    stream = pushed(bench, run, ahead=3)
    assert await some(stream) == [1, 2, 3]
    await stream.aclose()
    await tell(bench, run, "a", reached(2))
    again = pushed(bench, run, ahead=3)
    assert await some(again) == [1, 3, 4]


async def test_a_paused_run_says_so_and_goes_on(bench: Workbench) -> None:
    """Its clients keep what they have, and hear when to stop and when there is more."""
    run = await opened(bench)
    stream = pushed(bench, run)
    assert await some(stream) == [1]
    await bench.do("PauseOptimizationRun", run_rpc.PauseOptimizationRunRequest(id=run))
    frame = await anext(stream)
    assert frame.item.standing.status == Run.STATUS_PAUSED and frame.item.standing.should_stop
    await tell(bench, run, "a", reached(1))
    await bench.do("ResumeOptimizationRun", run_rpc.ResumeOptimizationRunRequest(id=run))
    frame = await anext(stream)
    assert [t.number for t in frame.item.trials] == [2] and not frame.item.standing.should_stop
    await bench.do("CancelOptimizationRun", run_rpc.CancelOptimizationRunRequest(id=run))
    kinds = [frame.WhichOneof("frame") async for frame in stream]
    assert kinds == ["item", "end"]


async def test_a_limit_tells_clients_to_stop(bench: Workbench) -> None:
    """Also one that has all the trials it wants."""
    run = await opened(bench, limits={"tokens": 10})
    await ask(bench, run, "other")
    stream = pushed(bench, run)
    assert await some(stream) == [2]
    await tell(bench, run, "other", reached(1, tokens=20))
    frame = await anext(stream)
    assert frame.item.standing.should_stop and frame.item.standing.status == Run.STATUS_RUNNING


async def test_waiting_streams_take_no_turns(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever others do: those that have all they want are not even asked, however many they are."""
    turns = [0]
    taken: Any = vars(pushing)["in_turn"]

    async def counted(*asked: Any) -> Any:
        turns[0] += 1
        return await taken(*asked)

    monkeypatch.setattr(pushing, "in_turn", counted)
    run = await opened(bench, max_trials=100)
    streams = [pushed(bench, run, f"client {n}") for n in range(10)]
    assert [await some(stream) for stream in streams] == [[n] for n in range(1, 11)]
    waiting = [asyncio.ensure_future(some(stream)) for stream in streams]
    for _ in range(5):
        (trial,) = (await ask(bench, run, "other")).trials
        await tell(bench, run, "other", reached(trial.number))
    await asyncio.sleep(0.3)
    assert turns[0] == 10 and not any(each.done() for each in waiting)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_only_those_who_may_suggest_are_sent_anything(bench: Workbench) -> None:
    """A managed run has no clients; whoever loses the run hears so."""
    run = await opened(bench)
    for actor, refusal in ((bench.colleague, NotFound), (bench.viewer, NotPermitted)):
        with pytest.raises(refusal):
            await anext(pushed(bench, run, actor=actor))
    with pytest.raises(IllegalState):
        await anext(pushed(bench, str((await started(bench))["id"])))
    assert not await trials(bench, run)


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    return dict(json.loads(await process.stdout.readline()))


async def test_a_process_that_is_killed_loses_its_trial_to_whoever_waits(bench: Workbench) -> None:
    """Five seconds later, as it said; the command prints what it is sent until then, and ends with the run."""
    run = await opened(bench, max_trials=2)
    async with served(bench) as service:
        address, key = f"127.0.0.1:{service.port}", service.issuer.token(bench.user)
        environment = os.environ | {"ASHGROVE_ADDRESS": address, "ASHGROVE_API_KEY": key}

        async def started_as(name: str) -> asyncio.subprocess.Process:
            words = ("runs", "receive", run, "--client", name, "--lease-seconds", "5")
            command = (sys.executable, "-m", "ashgrove", *words)
            return await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)

        first, other = await started_as("first"), await started_as("other")
        given = {process: await _line(process) for process in (first, other)}
        assert {each["number"] for each in given.values()} == {1, 2} and set(given[first]["values"]) == {"x", "n"}
        first.kill()
        await first.wait()
        await tell(bench, run, "other", reached(given[other]["number"]))
        assert await _line(other) == given[first]
        await tell(bench, run, "other", reached(given[first]["number"]))
        assert await other.wait() == 0
    assert (await now(bench, run)).end_reason == Run.END_REASON_TRIALS


class Wire:
    """What lies between a client and a service: it can be cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: list[asyncio.StreamWriter] = []

    async def laid(self) -> int:
        """Returns the port to connect to."""
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, back]
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer), return_exceptions=True)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while block := await source.read(65536):
            target.write(block)
            await target.drain()

    def cut(self) -> None:
        """Ends every connection there is, as a gateway does that is killed."""
        for each in self._writers:
            each.transport.abort()
        self._writers.clear()


async def test_the_loop_survives_a_cut_and_does_every_trial_once(bench: Workbench) -> None:
    """In the middle of a trial, and while it waits: the same client goes on, and nobody else had its trials."""
    run = await opened(bench, max_trials=6)
    async with served(bench) as service:
        wire, loop, done = Wire(service.port), asyncio.get_running_loop(), list[int]()
        port = await wire.laid()

        def works(name: str) -> None:
            with Client(f"127.0.0.1:{port}", api_key=service.issuer.token(bench.user)) as client:
                for trial in client.runs.receiving(run, name, ahead=2):
                    done.append(trial.number)
                    if trial.number in (2, 4):
                        loop.call_soon_threadsafe(wire.cut)
                        threading.Event().wait(0.2)
                    _until_heard(lambda trial=trial: trial.tell({"gain": trial.values["x"]}))

        await asyncio.gather(asyncio.to_thread(works, "a"), asyncio.to_thread(works, "b"))
    assert sorted(done) == [1, 2, 3, 4, 5, 6]
    ended = await now(bench, run)
    assert (ended.status, ended.completed_trials) == (Run.STATUS_COMPLETED, 6)


def _until_heard(act: Any) -> None:
    """Does what may be done twice until an answer comes back."""
    for _ in range(20):
        try:
            act()
            return
        except Unavailable:
            threading.Event().wait(0.1)
    raise AssertionError("nobody answers")
