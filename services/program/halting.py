"""Evaluations that are stopped or paused: their worker loses them, and what was finished stays."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import CancelEvaluationRequest, PauseEvaluationRequest

from framework.engine import Call
from framework.resource import action
from framework.storage import clock_time
from services.program.resources.evaluation import Evaluation
from services.program.resources.execution import TAKEN
from services.program.waking import halted

_CANCEL, _PAUSE = "CancelEvaluation", "PauseEvaluation"


@action(Evaluation, _CANCEL)
async def cancel(call: Call, request: CancelEvaluationRequest) -> execution_pb2.Evaluation:
    """Stops an evaluation and keeps what was finished; an ended one stays as it is."""
    columns = {"completed_at": clock_time(), **TAKEN}
    cancelled = await call.update(Evaluation, request.id, columns, verb=_CANCEL)
    await call.follow(lambda: call.engine.hints.publish(halted(request.id)))
    return cancelled


@action(Evaluation, _PAUSE)
async def pause(call: Call, request: PauseEvaluationRequest) -> execution_pb2.Evaluation:
    """Pauses an evaluation and keeps what was finished; a paused or ended one stays as it is."""
    return await paused(call, request.id)


async def paused(
    call: Call,
    identifier: str,
    holds: Callable[[Mapping[str, Any]], bool] = lambda row: True,
    columns: Mapping[str, Any] = MappingProxyType({}),
) -> execution_pb2.Evaluation:
    """Pauses an evaluation, if something holds of its row, and returns it; a paused or ended one stays as it is.

    `columns` are written with it: why it is paused.
    """
    async with call.transaction():
        if not holds(await call.row(Evaluation, identifier, _PAUSE, lock=True)):
            return await call.get(Evaluation, identifier, verb=_PAUSE)
        written = await call.update(Evaluation, identifier, {**columns, **TAKEN}, verb=_PAUSE)
        await call.follow(lambda: call.engine.hints.publish(halted(identifier)))
        return written
