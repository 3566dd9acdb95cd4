"""What a run would take: calls by formula; tokens, money and time by what examples took before, or take now."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2, run_estimate_pb2
from ashgrove.program.v1.dataset_pb2 import Example
from ashgrove.program.v1.dataset_requests_pb2 import ListExamplesRequest
from ashgrove.program.v1.evaluation_requests_pb2 import ListEvaluationsRequest
from ashgrove.program.v1.execution_pb2 import Evaluation, Execution
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_pb2 import Program

from domain.bootstrapping import MOST_SETS
from domain.estimating import Quantity, scaled, total
from domain.grid import Levels
from domain.repeating import CANDIDATES, COUNT
from domain.sampling import random_configuration
from domain.space import Space
from domain.strategies.grid_search import LEVELS
from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.resource import action
from framework.rpc.peer_failures import from_peer
from framework.structs import struct_of, values_of
from services.optimizer.ablating import SHARE
from services.optimizer.prompts import SLOT, parameters, pool_of
from services.optimizer.resources import OptimizationRun
from services.optimizer.spaces import space_of
from services.optimizer.starting import Sound, sound

AT_ONCE = 4
"""How many examples of one evaluation a worker of the program service runs at a time, and how many a probe runs."""
_EARLIER = 20
_ONE_CALL = (Program.TYPE_PREDICT, Program.TYPE_CHAIN_OF_THOUGHT, Program.TYPE_TEMPLATE)
_Run = optimization_run_pb2.OptimizationRun
_Answer = run_estimate_pb2.EstimateOptimizationRunResponse
_Part = run_estimate_pb2.EstimatedPart


@dataclass
class _Seen:
    """What examples took, each or on average: one entry for each that was seen."""

    tokens: list[float] = field(default_factory=list)
    cost_micros: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)


@action(OptimizationRun, "EstimateOptimizationRun")
async def estimate(call: Call, request: run_estimate_pb2.EstimateOptimizationRunRequest) -> _Answer:
    """Returns what a run would take; a probe is the caller's to pay. See `EstimateOptimizationRun` for refusals."""
    if request.optimization_run.evaluator == _Run.EVALUATOR_EXTERNAL:
        told = "must be managed: of what clients evaluate nothing is known"
        raise InvalidFields(FieldViolation("optimization_run.evaluator", told))
    found = await sound(call, request.optimization_run)
    answer = _Answer(parts=_parts(found), assumptions=_taken_for_granted(found.run))
    calls = sum(part.evaluations * part.examples for part in answer.parts)
    answer.program_calls = min(calls, found.run.limits.metric_calls or calls)
    if found.program.type in _ONE_CALL:
        answer.model_calls.expected = answer.program_calls
        answer.assumptions.append("each example asks the model once: an answer that cannot be read is asked for again")
    seen = await (_probed(call, found, request.probe, answer) if request.probe else _remembered(call, found))
    _tell(answer, found, seen)
    return answer


def _parts(found: Sound) -> list[_Part]:
    run, validation, test = found.run, found.dataset.validation_count, found.dataset.test_count
    trials = _trials(run, space_of(found.space))
    parts = [_Part(name="trials", evaluations=trials, examples=validation)]
    if run.strategy == _Run.STRATEGY_BOOTSTRAP_RANDOM_SEARCH:
        parts.append(_Part(name="bootstrap", evaluations=1, examples=found.dataset.train_count))
    if run.HasField("repeats"):
        best = min(run.repeats.candidates or CANDIDATES, trials)
        parts.append(_Part(name="repeats", evaluations=best * (run.repeats.count or COUNT), examples=validation))
    if run.holdout == _Run.HOLDOUT_ON:
        parts.append(_Part(name="last look", evaluations=2, examples=test))
    most = {_Run.ABLATION_FULL: trials, _Run.ABLATION_SHARE: trials // SHARE}.get(run.ablation, 0)
    if most:
        variables = len(found.space.variables)
        parts.append(_Part(name="ablation", evaluations=min(variables, most), examples=validation))
    return parts


def _trials(run: _Run, space: Space) -> int:
    if run.strategy == _Run.STRATEGY_BOOTSTRAP_RANDOM_SEARCH:
        return min(run.max_trials, MOST_SETS + 1)
    if run.strategy != _Run.STRATEGY_GRID_SEARCH:
        return run.max_trials
    grid = run.strategy_configuration.grid_search
    return min(run.max_trials, Levels(space, grid.levels or LEVELS, grid.levels_of).total)


def _taken_for_granted(run: _Run) -> list[str]:
    told = ["every trial is evaluated on every validation example, and no two try the same"]
    if run.HasField("racing"):
        told.append("no trial is dropped early: what the run's racing saves is not known beforehand")
    if run.limits.HasField("target") or run.limits.patience:
        told.append("neither target nor patience ends it before its trials are spent")
    return told


async def _remembered(call: Call, found: Sound) -> _Seen:
    """Returns what earlier evaluations of the program took by the example."""
    request = ListEvaluationsRequest(
        program_id=found.program.id,
        filter=f'dataset_id = "{found.dataset.id}" AND status = WORK_STATUS_COMPLETED AND finished_count > 0',
        order_by="created_at desc",
        page_size=_EARLIER,
    )
    with from_peer("program"):
        page = await call.application.program.ListEvaluations(request)
    seen = _Seen()
    for each in page.evaluations:
        _add(seen, each, each.finished_count)
    count = len(page.evaluations)
    known = f"examples take what they took in the program's latest {count} evaluations on this dataset"
    seen.assumptions.append(known if count else "nothing is known of what an example takes: ask again with a probe")
    return seen


def _add(seen: _Seen, took: Evaluation, examples: int) -> None:
    tokens = took.input_tokens + took.output_tokens + took.metric_input_tokens + took.metric_output_tokens
    seen.tokens.append(tokens / examples)
    seen.cost_micros.append((took.cost_micros + took.metric_cost_micros) / examples)
    seen.milliseconds.append(took.mean_latency_ms)


async def _probed(call: Call, found: Sound, count: int, answer: _Answer) -> _Seen:
    """Runs examples, each with a configuration of its own, and returns what each took."""
    examples = await _examples(call, found, count)
    space = space_of(found.space)
    if space.prompts:
        space = space.within([SLOT]).offering(await pool_of(call.application, None, found.space.id, "~"))
    places = asyncio.Semaphore(AT_ONCE)

    async def one(index: int, example: Example) -> Execution:
        tried = parameters(space, random_configuration(space, found.run.seed, index))
        async with places:
            return await _executed(call, found, example, tried, index)

    done = await asyncio.gather(*(one(i, each) for i, each in enumerate(examples)))
    seen = _Seen()
    for each in done:
        seen.tokens.append(each.input_tokens + each.output_tokens)
        seen.cost_micros.append(each.cost_micros)
        seen.milliseconds.append(each.latency_ms)
    answer.probed_count, answer.failed_count = len(done), sum(bool(each.error) for each in done)
    answer.probe_tokens, answer.probe_cost_micros = int(sum(seen.tokens)), int(sum(seen.cost_micros))
    seen.assumptions = [
        f"examples take what {len(done)} took just now, each with a configuration drawn from the space",
        "what metrics ask models for is not in it",
    ]
    return seen


async def _examples(call: Call, found: Sound, count: int) -> Sequence[Example]:
    """Returns examples to probe with: of the training split, as nothing is to be learned of others before the run."""
    examples: list[Example] = []
    for split in ("SPLIT_TRAIN", "SPLIT_VALIDATION"):
        request = ListExamplesRequest(
            dataset_id=found.dataset.id, filter=f"split = {split}", order_by="position", page_size=count
        )
        with from_peer("program"):
            examples += (await call.application.program.ListExamples(request)).examples
        if len(examples) >= count:
            break
    if len(examples) < 2:
        raise IllegalState("the dataset has fewer than 2 examples to probe with", resource="dataset")
    return examples[:count]


async def _executed(call: Call, found: Sound, example: Example, tried: dict[str, Any], index: int) -> Execution:
    declared = {each.name for each in found.program.signature_config.inputs}
    inputs = {name: value for name, value in values_of(example.inputs).items() if name in declared}
    request = ExecuteProgramRequest(
        program_id=found.program.id,
        revision=found.program.revision,
        inputs=struct_of(inputs),
        configuration=struct_of(tried),
        dataset_id=found.dataset.id,
        seed=(found.run.seed + index) % 2**63,
    )
    with from_peer("program"):
        executed: Execution = await call.application.program.ExecuteProgram(request)
    return executed


def _tell(answer: _Answer, found: Sound, seen: _Seen) -> None:
    answer.assumptions.extend(seen.assumptions)
    if not seen.tokens:
        return
    calls, run = answer.program_calls, found.run
    lanes = min(run.parallelism, run.max_trials) * min(AT_ONCE, found.dataset.validation_count)
    answer.assumptions.append(f"{lanes} examples run at a time: {AT_ONCE} of each trial, if workers have room for them")
    told = {
        "tokens": total(seen.tokens, calls),
        "cost_micros": total(seen.cost_micros, calls),
        "seconds": scaled(total(seen.milliseconds, calls), 1 / (1000 * lanes)),
    }
    for name, quantity in told.items():
        getattr(answer, name).CopyFrom(_quantity(quantity))
        if 0 < getattr(run.limits, name) < quantity.expected and not answer.binding_limit:
            answer.binding_limit = f"limits.{name}"


def _quantity(quantity: Quantity) -> run_estimate_pb2.EstimatedQuantity:
    return run_estimate_pb2.EstimatedQuantity(expected=quantity.expected, low=quantity.low, high=quantity.high)
