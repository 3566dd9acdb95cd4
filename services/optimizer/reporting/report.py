"""A run's report: its own rows, and what the caller may read of its peers'; what cannot be read is named."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.run_report_pb2 import RunReport
from ashgrove.optimizer.v1.variable_importance_pb2 import AnalyzeVariableImportanceRequest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.engine import Call
from framework.errors import Failure
from services.optimizer import analyzing, front
from services.optimizer.objectives import objectives_of
from services.optimizer.reporting import costs, words
from services.optimizer.reporting.changing import changed
from services.optimizer.reporting.listing import listed
from services.optimizer.reporting.matrix import matrix
from services.optimizer.resources import ENDED, OptimizationRun

_TRIALS = """
SELECT number, id, status, objectives, seed, sampler_version, content_hash, completed_at, error,
       evaluation_id
FROM trials WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s ORDER BY number
"""
_LEFT_OUT = {"allowed_actions", "included"}


async def report(call: Call, identifier: str, verb: str) -> RunReport:
    """Returns the report of a run that the caller may see."""
    row = await call.row(OptimizationRun, identifier, verb)
    run = await call.get(OptimizationRun, identifier, verb=verb, mask=_everything())
    trials = await call.reads().fetch(_TRIALS, {"organization": row["organization_id"], "run": row["id"]})
    made = RunReport(run=run, is_final=row["status"] in ENDED, end=words.end(run))
    made.front.CopyFrom(await front.read(call, row))
    made.trials.extend(listed(trials, {each.trial_number for each in made.front.points}, objectives_of(row)))
    made.usage.extend(costs.usage(run))
    made.limits.extend(costs.limits(run, made.usage[-1]))
    async with _missing(made, "whether the money is exact"):
        made.cost_incomplete = await costs.incomplete(call, run)
    async with _missing(made, "the changes"):
        made.changes.extend(await changed(call, row, run))
    async with _missing(made, "the candidates on the examples"):
        made.matrix.CopyFrom(await matrix(call, row, trials, made.front))
    async with _missing(made, "the importance of variables"):
        asked = AnalyzeVariableImportanceRequest(optimization_run_ids=[run.id])
        made.importance.CopyFrom(await analyzing.analyze(call, asked))
    made.summary.extend(words.summary(made))
    return made


def _everything() -> FieldMask:
    """Returns a mask of every field, those that are computed included."""
    names = (each.name for each in Run.DESCRIPTOR.fields)
    return FieldMask(paths=[name for name in names if name not in _LEFT_OUT])


@asynccontextmanager
async def _missing(made: RunReport, what: str) -> AsyncIterator[None]:
    """Notes a part that cannot be read instead of failing the whole."""
    try:
        yield
    except Failure as failure:
        made.missing.append(f"{what}: {failure.message}")
