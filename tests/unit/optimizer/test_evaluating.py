"""A trial's evaluation over the wire: attached to again after breaks, ended by what the peer says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from ashgrove.areas import ProgramArea
from ashgrove.program.v1 import evaluation_service_pb2_grpc as stubs
from ashgrove.program.v1 import execution_pb2 as pb
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramRequest, EvaluateProgramResponse
from ashgrove.values import to_plain
from grpc import aio

from framework.errors import Failure, GrantLost, IllegalState, NotFound, NotPermitted
from services.optimizer import evaluating
from services.optimizer.evaluating import evaluate
from services.optimizer.racing import Race
from services.optimizer.spending import Spending, Usage

RUN = {
    "id": "run",
    "grant_id": "grant",
    "program_id": "program",
    "program_revision": 2,
    "dataset_id": "dataset",
    "dataset_revision": 3,
    "objectives": [{"metric": "exact_match"}, {"metric": "cost"}, {"metric": "latency_ms"}],
    "seed": 5,
    "limits": None,
    "inherited_trials": 0,
}
TRIAL = {
    "id": "trial",
    "number": 1,
    "configuration": {"temperature": 0.5},
    "evaluation_id": "evaluation",
    "finished_count": 0,
    "repeat": 0,
    "example_count": 0,
    "tokens": 0,
    "cost_micros": 0,
}
COMPLETED = pb.Evaluation(
    status=pb.WORK_STATUS_COMPLETED,
    scores={"exact_match": 0.75},
    cost_micros=40,
    latency_p50_ms=3.5,
    latency_p95_ms=9.5,
    finished_count=4,
    example_count=4,
)
Play = Callable[[EvaluateProgramRequest, Any], AsyncIterator[EvaluateProgramResponse]]


class Peer(stubs.EvaluationServiceServicer):
    """The program service as a list of what it does at each attach; it remembers what it was asked."""

    def __init__(self, *plays: Play) -> None:
        self.plays = list(plays)
        self.asked: list[EvaluateProgramRequest] = []
        self.tokens: list[str] = []

    async def EvaluateProgram(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        async for frame in self.plays.pop(0)(request, context):
            yield frame


class Tokens:
    """Gives a token of a new number whenever the last was forgotten."""

    number = 1

    async def exchange(self, grant_id: str) -> str:
        return f"token-{self.number}"

    def forget(self, grant_id: str) -> None:
        self.number += 1


class Ledger:
    """Remembers the progress it is told; its run neither has limits nor races."""

    def __init__(self) -> None:
        self.progressed: list[int] = []
        self.spending = Spending(None)
        self.race = Race(RUN | {"racing": None, "parallelism": 1, "schedule": "SCHEDULE_ASYNCHRONOUS"}, [], {})

    async def progress(self, trial: Any, finished: int, examples: int, usage: Usage) -> None:
        self.progressed.append(finished)


@asynccontextmanager
async def served(peer: Peer) -> AsyncIterator[Any]:
    """Yields an application whose program service is the peer."""
    server = aio.server()
    stubs.add_EvaluationServiceServicer_to_server(peer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield SimpleNamespace(program=ProgramArea(channel), tokens=Tokens())
    await server.stop(0)


def items(first: int, last: int, then: Callable[[Any], Awaitable[None]] | None = None) -> Play:
    """Plays results, and then the end of the evaluation or of the connection."""

    async def play(_: Any, context: Any) -> AsyncIterator[EvaluateProgramResponse]:
        for sequence in range(first, last + 1):
            yield EvaluateProgramResponse(item=pb.EvaluationResult(sequence=sequence))
        if then:
            await then(context)
        yield EvaluateProgramResponse(end={}, evaluation=COMPLETED)

    return play


def refusal(failure: Failure) -> Play:
    """Plays a refusal as the services send it."""

    async def play(_: Any, context: Any) -> AsyncIterator[EvaluateProgramResponse]:
        status = failure.status()
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(failure.code, failure.message)
        yield EvaluateProgramResponse()

    return play


async def test_a_break_is_healed_by_attaching_after_the_last_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same evaluation is asked for again with a new token, and nothing is sent twice."""
    monkeypatch.setattr(evaluating, "_BACKOFF", (0.0,))

    async def away(context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    peer = Peer(items(1, 2, away), items(3, 4))
    async with served(peer) as application:
        outcome = await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]
    assert [r.from_sequence for r in peer.asked] == [0, 2]
    assert {r.evaluation_id for r in peer.asked} == {"evaluation"}
    assert peer.tokens == ["Bearer token-1", "Bearer token-2"]
    assert outcome.objectives == {"exact_match": 0.75, "cost": 10.0, "latency_ms": 3.5}


async def test_only_what_is_a_metric_is_asked_of_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cost and latency come with every evaluation; revisions, seed and values are the run's and the trial's."""
    peer = Peer(items(1, 4))
    ledger = Ledger()
    async with served(peer) as application:
        told = {"metric": "exact_match", "metric_params": {"fields": ["answer"]}}
        run = RUN | {"objectives": [told, *RUN["objectives"][1:]]}  # type: ignore[index]
        await evaluate(application, ledger, run, TRIAL)  # type: ignore[arg-type]
    (request,) = peer.asked
    assert list(request.metrics) == ["exact_match"]
    assert to_plain(request.metric_params) == {"exact_match": {"fields": ["answer"]}}
    assert (request.program_revision, request.dataset_revision, request.seed) == (2, 3, 5)
    assert dict(request.configuration) == {"temperature": 0.5}
    assert ledger.progressed == [1], "X-71: progress is told, and not for every example"


@pytest.mark.parametrize("failure", [NotFound("program", "p"), NotPermitted("no", action="EvaluateProgram")])
async def test_a_run_whose_user_lost_the_program_has_lost_its_grant(failure: Failure) -> None:
    """X-60: it was there and allowed when the run was made, so the run pauses; no trial is to blame."""
    async with served(Peer(refusal(failure))) as application:
        with pytest.raises(GrantLost):
            await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]


async def test_what_cannot_be_evaluated_fails_its_trial() -> None:
    """A refusal of the configuration or the state is the trial's outcome, in the peer's words."""
    async with served(Peer(refusal(IllegalState("this program is archived")))) as application:
        outcome = await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]
    assert outcome.error == "this program is archived" and not outcome.objectives


@pytest.mark.parametrize(("aggregation", "expected"), [("AGGREGATION_P50", 3.5), ("AGGREGATION_P95", 9.5)])
async def test_latency_is_the_median_or_the_tail_as_asked(aggregation: str, expected: float) -> None:
    """Both are known of every evaluation; the run's objective says which counts."""
    run = RUN | {"objectives": [{"metric": "latency_ms", "aggregation": aggregation}]}
    async with served(Peer(items(1, 4))) as application:
        outcome = await evaluate(application, Ledger(), run, TRIAL)  # type: ignore[arg-type]
    assert outcome.objectives == {"latency_ms": expected}


def ending(**fields: Any) -> Play:
    """Plays an evaluation that has ended in this way."""

    async def play(_: Any, __: Any) -> AsyncIterator[EvaluateProgramResponse]:
        yield EvaluateProgramResponse(end={}, evaluation=pb.Evaluation(**fields))

    return play


async def test_a_failed_evaluation_hands_its_class_to_the_trial() -> None:
    """X-57, X-64: the words and the kind of the failure."""
    failed = ending(status=pb.WORK_STATUS_FAILED, error="too slow", error_class=pb.ERROR_CLASS_TIMEOUT)
    async with served(Peer(failed)) as application:
        outcome = await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]
    assert (outcome.error, outcome.error_class) == ("too slow", "ERROR_CLASS_TIMEOUT")


@pytest.mark.parametrize("scores", [{}, {"exact_match": float("nan")}, {"exact_match": float("inf")}])
async def test_an_evaluation_without_a_number_for_an_objective_fails_its_trial(scores: dict[str, float]) -> None:
    """X-62: what is no number never enters a row, a front or a sampler."""
    async with served(Peer(ending(status=pb.WORK_STATUS_COMPLETED, scores=scores))) as application:
        outcome = await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]
    assert outcome.error_class == "ERROR_CLASS_METRIC" and "exact_match" in outcome.error
    assert not outcome.objectives


async def test_a_paused_evaluation_is_attached_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever works on the run wants it to go on, and attaching resumes it."""
    monkeypatch.setattr(evaluating, "_BACKOFF", (0.0,))
    peer = Peer(ending(status=pb.WORK_STATUS_PAUSED), items(1, 4))
    async with served(peer) as application:
        outcome = await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]
    assert len(peer.asked) == 2 and not outcome.error


async def test_what_an_earlier_worker_told_of_is_not_told_again() -> None:
    """X-62: progress never goes backwards; the stream resumes after it."""
    peer, ledger = Peer(items(4, 4)), Ledger()
    async with served(peer) as application:
        await evaluate(application, ledger, RUN, TRIAL | {"finished_count": 3})  # type: ignore[arg-type]
    assert peer.asked[0].from_sequence == 3 and ledger.progressed == [4]


def aborting(code: grpc.StatusCode) -> Play:
    """Plays an end by this code alone."""

    async def play(_: Any, context: Any) -> AsyncIterator[EvaluateProgramResponse]:
        await context.abort(code, "no details")
        yield EvaluateProgramResponse()

    return play


async def test_a_peers_own_fault_is_met_a_few_times_and_then_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-61: no retry for ever, however outages and faults alternate."""
    monkeypatch.setattr(evaluating, "_BACKOFF", (0.0,))
    fault, away = aborting(grpc.StatusCode.INTERNAL), aborting(grpc.StatusCode.UNAVAILABLE)
    peer = Peer(fault, away, fault, fault, away, fault, fault, fault)
    async with served(peer) as application:
        outcome = await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]
    assert outcome.error_class == "ERROR_CLASS_INTERNAL" and len(peer.plays) == 1


async def test_a_peer_that_is_away_is_waited_for_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is nobody's fault, and no trial's end."""
    monkeypatch.setattr(evaluating, "_BACKOFF", (0.0,))
    peer = Peer(*[aborting(grpc.StatusCode.UNAVAILABLE)] * 20, items(1, 4))
    async with served(peer) as application:
        outcome = await evaluate(application, Ledger(), RUN, TRIAL)  # type: ignore[arg-type]
    assert not outcome.error and not peer.plays
