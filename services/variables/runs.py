"""The run and the trial that something came from: another service's, so it is asked, as the caller, on every write."""

from collections.abc import Awaitable
from functools import partial
from typing import Any

from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest
from ashgrove.optimizer.v1.trial_requests_pb2 import GetTrialRequest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, NotFound
from framework.rpc.peer_failures import from_peer


async def refuse_strange_run(call: Call, new: Any, prefix: str) -> None:
    """Raises InvalidFields for a run over another space, a trial of another run, and what the caller cannot see."""
    if call.application is None:
        return
    for name, judged in (("optimization_run_id", _of_run), ("trial_id", _of_trial)):
        identifier = getattr(new, name, "")
        # Rows of a batch, and of one call that prepares twice, share their answer.
        asked = (name, identifier, new.optimization_run_id, new.variable_space_id)
        if identifier and (fault := await call.remembered(asked, partial(judged, call, new, identifier))):
            raise InvalidFields(FieldViolation(prefix + name, fault))


async def _of_run(call: Call, new: Any, identifier: str) -> str:
    asked = GetOptimizationRunRequest(id=identifier, read_mask=FieldMask(paths=["id", "variable_space_id"]))
    run = await _found(call.application.optimizer.GetOptimizationRun(asked))
    if run is None:
        return "there is no such run that you can see"
    return "" if run.variable_space_id == new.variable_space_id else "is a run over another space"


async def _of_trial(call: Call, new: Any, identifier: str) -> str:
    asked = GetTrialRequest(id=identifier, read_mask=FieldMask(paths=["id", "optimization_run_id"]))
    trial = await _found(call.application.optimizer.GetTrial(asked))
    of_that_run = trial is not None and trial.optimization_run_id == new.optimization_run_id
    return "" if of_that_run else "there is no such trial of that run"


async def _found(asking: Awaitable[Any]) -> Any | None:
    try:
        with from_peer("optimizer"):
            return await asking
    except NotFound:
        return None
