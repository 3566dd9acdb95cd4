"""Evaluations under a limit of money: kept to the call, over lanes, judges and workers; what is not exact says so."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import connector_pb2, execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import PauseEvaluationRequest, RunAllowance
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.resource.v1.requests_pb2 import ListRequest

from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.connecting import SV, connected, connector, create_connector
from tests.integration.program.making import (
    create_custom,
    create_dataset,
    create_program,
    create_texts,
    evaluated,
    evaluation,
    frames,
    working,
)
from tests.models import ModelServer, Say

EACH = 11 * 1 + 7 * 4
"""What a call comes to, in millionths of a dollar."""
ASKED = {"model": "fast", "max_tokens": 20}


@pytest.fixture
async def priced(bench: Workbench, workshop: Workshop, tmp_path: Path, models: ModelServer) -> AsyncIterator[Workshop]:
    """A workshop with a worker, and a connector called `fast`; the model knows Swedish."""
    models.otherwise = Say(SV)
    async with connected(bench, workshop, tmp_path) as made, working(made):
        await create_connector(bench, connector(models))
        yield made


async def ended(bench: Workbench, made: Any, dataset: Any, **fields: Any) -> Any:
    """The results and the evaluation."""
    return await evaluated(bench, evaluation(made, dataset, **{"configuration": ASKED} | fields))


async def calls_of(bench: Workbench, workshop: Workshop) -> list[connector_pb2.ModelCall]:
    """The calls in the books."""
    assert workshop.desk is not None
    await workshop.desk.gate.books.written()
    return list((await bench.do("ListModelCalls", ListRequest(page_size=1000), bench.admin)).model_calls)


async def test_a_limit_is_kept_to_the_call(bench: Workbench, priced: Workshop, models: ModelServer) -> None:
    """What was finished is kept and paid, no call is made that might pass it, and none is left out that fits."""
    made, dataset = await create_program(bench), await create_dataset(bench, validation=40)
    results, last = await ended(bench, made, dataset, max_cost_micros=1_500)
    assert last.status == execution_pb2.WORK_STATUS_FAILED and last.error_class == execution_pb2.ERROR_CLASS_BUDGET
    assert last.finished_count == len(results) == len(models.requests) and last.failed_count == 0
    assert last.cost_micros == EACH * len(results) <= 1_500 == last.max_cost_micros and not last.cost_incomplete
    dearest = max(call.reserved_nanos for call in await calls_of(bench, priced)) / 1000
    assert last.cost_micros + dearest > 1_500 and f"{40 - len(results)} of 40 examples" in last.error


async def test_a_judge_is_paid_out_of_the_same_purse(bench: Workbench, priced: Workshop, models: ModelServer) -> None:
    """Its calls are told apart, in the books too."""
    said = Say("[[ ## feedback ## ]]\nwell\n\n[[ ## mark ## ]]\n5\n\n[[ ## completed ## ]]")
    models.otherwise = lambda request: said if "Judge the answer" in str(request["messages"]) else Say(SV)
    params = {"lm_judge": {"rubric": "Is it a language?", "model": "fast"}}
    made, dataset = await create_program(bench), await create_dataset(bench, validation=60)
    results, last = await ended(bench, made, dataset, metrics=["lm_judge"], metric_params=params, max_cost_micros=3_500)
    assert last.error_class == execution_pb2.ERROR_CLASS_BUDGET and results
    assert last.cost_micros + last.metric_cost_micros == EACH * len(models.requests) <= 3_500
    purposes = {connector_pb2.ModelCall.Purpose.Name(call.purpose) for call in await calls_of(bench, priced)}
    assert purposes == {"PURPOSE_PROGRAM", "PURPOSE_JUDGE"}


async def test_whoever_takes_it_over_spends_only_what_is_left(
    bench: Workbench, priced: Workshop, models: ModelServer
) -> None:
    """What was spent before is in the books."""
    models.otherwise = Say(SV, latency=0.02)
    made, dataset = await create_program(bench), await create_dataset(bench, validation=60)
    request = evaluation(made, dataset, configuration=ASKED, max_cost_micros=1_500, evaluation_id=str(new_id()))
    async for frame in frames(bench, request):
        if frame.item.sequence == 3:
            await bench.do("PauseEvaluation", PauseEvaluationRequest(id=request.evaluation_id))
    before = len(models.requests)
    _, last = await evaluated(bench, request)
    assert last.error_class == execution_pb2.ERROR_CLASS_BUDGET and 3 <= before < len(models.requests)
    paid = sum(call.cost_nanos for call in await calls_of(bench, priced)) / 1000
    assert paid <= last.cost_micros <= 1_500


async def test_what_is_not_exact_says_so(bench: Workbench, priced: Workshop, models: ModelServer) -> None:
    """A price that is unknown, a use that nobody told; and under a limit what has no price is not begun."""
    made, dataset = await create_program(bench), await create_dataset(bench, validation=3)
    free = connector(models, "free")
    del free.prices[:]
    await create_connector(bench, free)
    unpriced = {"configuration": ASKED | {"model": "free"}}
    _, last = await ended(bench, made, dataset, **unpriced)
    assert last.cost_incomplete and last.cost_micros == 0
    models.requests.clear()
    _, refused = await ended(bench, made, dataset, **unpriced, max_cost_micros=10**6)
    assert refused.error_class == execution_pb2.ERROR_CLASS_BUDGET and "price" in refused.error and not models.requests
    models.otherwise = Say(SV, usage=None)
    _, last = await ended(bench, made, dataset)
    assert last.cost_incomplete and last.cost_micros > 0


async def test_a_run_that_counts_money_asks_nothing_whose_price_is_unknown(
    bench: Workbench, priced: Workshop, models: ModelServer
) -> None:
    """An unknown price is not zero: such a run would never reach its limit. One that counts examples alone may."""
    made, dataset = await create_program(bench), await create_dataset(bench, validation=3)
    free = connector(models, "free")
    del free.prices[:]
    await create_connector(bench, free)
    for asked, allowed, error in (
        ("free", RunAllowance(cost_micros=10**6), execution_pb2.ERROR_CLASS_BUDGET),
        ("free", RunAllowance(metric_calls=100), execution_pb2.ERROR_CLASS_UNSPECIFIED),
        ("fast", RunAllowance(cost_micros=10**6), execution_pb2.ERROR_CLASS_UNSPECIFIED),
    ):
        fields = {"configuration": {"model": asked}, "run_id": str(new_id()), "run_allowance": allowed}
        _, last = await evaluated(bench, evaluation(made, dataset, **fields), replace(bench.user, delegate="optimizer"))
        assert last.error_class == error and ("price is unknown" in last.error) == bool(error), last.error
    assert len(models.requests) == 2 * 3


async def test_no_limit_on_what_nobody_sees_paid(bench: Workbench, coded: Workshop) -> None:
    """The calls of custom code, and vectors of a model."""
    vectors = {"metrics": ["embedding_similarity"], "metric_params": {"embedding_similarity": {"model": "e"}}}
    asks, code = await create_program(bench), await create_custom(bench, "echo@1")
    for made, dataset, more in ((asks, await create_dataset(bench), vectors), (code, await create_texts(bench), {})):
        with pytest.raises(InvalidFields) as refused:
            await ended(bench, made, dataset, **more, configuration={}, max_cost_micros=5)
        assert [v.path for v in refused.value.violations] == ["max_cost_micros"]


async def test_an_execution_says_what_its_calls_are_for(bench: Workbench, priced: Workshop) -> None:
    """A program that proposes prompts is told apart in the books, and its retries are retries."""
    made = await create_program(bench)
    for purpose in (connector_pb2.ModelCall.PURPOSE_PROPOSER, connector_pb2.ModelCall.PURPOSE_UNSPECIFIED):
        request = ExecuteProgramRequest(program_id=made.id, purpose=purpose)
        request.inputs.update({"text": "hav"})
        request.configuration.update(ASKED)
        await bench.do("ExecuteProgram", request)
    purposes = {connector_pb2.ModelCall.Purpose.Name(call.purpose) for call in await calls_of(bench, priced)}
    assert purposes == {"PURPOSE_PROPOSER", "PURPOSE_PROGRAM"}
    with pytest.raises(InvalidFields):
        tested = connector_pb2.ModelCall.PURPOSE_TEST
        await bench.do("ExecuteProgram", ExecuteProgramRequest(program_id=made.id, purpose=tested))
