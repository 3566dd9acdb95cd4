"""One trial's evaluation: attach to it, follow it, attach again after every break, until it has ended."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ashgrove.program.v1 import execution_pb2, program_service_pb2
from ashgrove.program.v1.dataset_pb2 import SPLIT_VALIDATION

from framework.errors import (
    DeadlinePassed,
    DependencyUnavailable,
    Failure,
    GrantLost,
    NotFound,
    NotPermitted,
    Unauthenticated,
    WriteConflict,
)
from framework.rpc.channels import as_caller
from framework.rpc.peer_failures import from_peer
from framework.structs import struct_of
from services.optimizer.application import Application
from services.optimizer.ledger import Ledger
from services.optimizer.starting import BUILT_IN

PROGRESS_SECONDS = 0.5
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: what it reached, or why it failed."""

    objectives: dict[str, float] = field(default_factory=dict)
    error: str = ""
    finished_count: int = 0
    example_count: int = 0


@dataclass
class _Progress:
    sequence: int = 0
    example_count: int = 0
    told: float = 0.0


@contextmanager
def granted(peer: str) -> Iterator[None]:
    """Raises a Failure in place of a peer's error: GrantLost when the user may no longer do what the run needs."""
    try:
        with from_peer(peer):
            yield
    except (NotFound, NotPermitted) as refused:
        # It was all there and allowed when the run was made, and nothing is ever deleted.
        raise GrantLost(f"access was lost: {refused.message}", cause="access lost") from refused


async def evaluate(application: Application, ledger: Ledger, run: dict[str, Any], trial: dict[str, Any]) -> Outcome:
    """Returns how the trial's evaluation ended; raises GrantLost when the run may no longer act.

    A peer that is down is waited for: the evaluation goes on there, and is attached to again by its id.
    """
    progress, failures = _Progress(), 0
    while True:
        try:
            ended = await _attached(application, ledger, run, trial, progress)
            if ended is not None:
                return _outcome(ended, run)
            failures = 0
        except GrantLost:
            raise
        except (DependencyUnavailable, DeadlinePassed, Unauthenticated, WriteConflict):
            application.tokens.forget(str(run["grant_id"]))
            failures += 1
        except Failure as refused:
            return Outcome(error=refused.message)
        await asyncio.sleep(_BACKOFF[min(failures, len(_BACKOFF) - 1)])


async def _attached(
    application: Application, ledger: Ledger, run: dict[str, Any], trial: dict[str, Any], progress: _Progress
) -> execution_pb2.Evaluation | None:
    """Follows the evaluation's stream; returns the evaluation when it has ended, None when only the stream has."""
    token = await application.tokens.exchange(str(run["grant_id"]))
    request = _request(run, trial, progress.sequence)
    with granted("program"):
        async for frame in application.program.EvaluateProgram(request, metadata=as_caller(token)):
            kind = frame.WhichOneof("frame")
            if frame.HasField("evaluation"):
                progress.example_count = frame.evaluation.example_count
            if kind == "item":
                progress.sequence = frame.item.sequence
                await _tell(ledger, trial, progress)
            if kind == "end" and frame.evaluation.status in _ENDED:
                return frame.evaluation  # type: ignore[no-any-return]
    return None


_ENDED = {
    execution_pb2.WORK_STATUS_COMPLETED,
    execution_pb2.WORK_STATUS_FAILED,
    execution_pb2.WORK_STATUS_CANCELLED,
}


async def _tell(ledger: Ledger, trial: dict[str, Any], progress: _Progress) -> None:
    now = time.monotonic()
    if now - progress.told >= PROGRESS_SECONDS:
        progress.told = now
        await ledger.progress(trial, progress.sequence, progress.example_count)


def _request(run: dict[str, Any], trial: dict[str, Any], after: int) -> program_service_pb2.EvaluateProgramRequest:
    metrics = [o["metric"] for o in run["objectives"] if o["metric"] not in BUILT_IN]
    return program_service_pb2.EvaluateProgramRequest(
        program_id=str(run["program_id"]),
        program_revision=run["program_revision"],
        dataset_id=str(run["dataset_id"]),
        dataset_revision=run["dataset_revision"],
        split=SPLIT_VALIDATION,
        configuration=struct_of(trial["configuration"]),
        metrics=metrics,
        seed=run["seed"],
        evaluation_id=str(trial["evaluation_id"]),
        from_sequence=after,
        run_id=str(run["id"]),
    )


def _outcome(evaluation: execution_pb2.Evaluation, run: dict[str, Any]) -> Outcome:
    finished, examples = evaluation.finished_count, evaluation.example_count
    if evaluation.status != execution_pb2.WORK_STATUS_COMPLETED:
        return Outcome({}, evaluation.error or "the evaluation was cancelled", finished, examples)
    known = dict(evaluation.scores)
    known["cost_micros"] = evaluation.cost_micros / max(1, evaluation.example_count)
    known["latency_ms"] = evaluation.mean_latency_ms
    return Outcome({o["metric"]: known[o["metric"]] for o in run["objectives"]}, "", finished, examples)
