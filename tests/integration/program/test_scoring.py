"""Metrics at work: several at once, told what they need, by models of their own; failures that are failures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.program.v1 import evaluation_requests_pb2 as rpc
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.metric_pb2 import Metric

from framework.egress.outlet import Outlet
from framework.errors import IllegalState, InvalidFields, NotFound
from framework.identifiers import new_id
from framework.patterns import matcher
from framework.testing.workbench import Workbench
from services.program.lm.engine import ModelSettings
from services.program.running import ModelAway, ModelRejected, Models, Outcome, Run
from services.program.scoring.likeness import Embeddings
from services.program.working import Workshop
from tests.integration.program.making import create_dataset, create_program, evaluated, evaluation, working
from tests.models import Reply, Say, model_server

Answer = Callable[[str], Outcome]
Marks = dict[str, Any]


def answering(workshop: Workshop, answer: Answer, **more: Any) -> Workshop:
    """A workshop whose programs answer a text so."""

    async def prepare(program: Any, configuration: Mapping[str, Any], train: Sequence[Any]) -> Run:
        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            return answer(inputs["text"])

        return run

    return replace(workshop, prepare=prepare, at_once=1, **more)


def right(text: str) -> Outcome:
    """Answers what is expected."""
    return Outcome({"language": {"och": "sv", "und": "de", "et": "fr", "and": "en"}[text.split()[1]]})


def swedish(text: str) -> Outcome:
    """Answers the same to everything."""
    return Outcome({"language": "sv"})


def fickle(text: str) -> Outcome:
    """Fails at half of them."""
    if text.split()[1] in ("och", "und"):
        return Outcome(None).failed("no idea", "PARSE")
    return right(text)


async def ended(bench: Workbench, made: Any, dataset: Any, **fields: Any) -> Any:
    """An evaluation that ran to its end."""
    request = evaluation(made, dataset, **fields)
    return await evaluated(bench, request)


async def test_several_metrics_score_at_once(bench: Workbench, workshop: Workshop) -> None:
    """Each as it is told; no expression can hang."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    params = {"regex": {"pattern": "^(sv|de)$"}, "exact_match": {"fields": ["language"]}}
    metrics = ["exact_match", "regex", "contains", "embedding_similarity"]
    async with working(answering(workshop, right)):
        results, last = await ended(bench, made, dataset, metrics=metrics, metric_params=params)
    assert len(results) == 12 and last.metric_params["regex"]["pattern"] == "^(sv|de)$"
    assert last.scores == pytest.approx({"exact_match": 1, "regex": 0.5, "contains": 1, "embedding_similarity": 1})
    assert not matcher("^(a+)+$")("a" * 50_000 + "b")


async def test_what_metrics_cannot_be_told_is_refused(bench: Workbench) -> None:
    """Before anything runs, each fault with its path."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    told: Marks = {
        "regex": {"pattern": "(?=x)"},
        "lm_judge": {"rubric": "short", "low": 5},
        "token_f1": {},
        "numeric_tolerance": {"near": 1},
    }
    metrics = ["regex", "lm_judge", "numeric_tolerance"]
    with pytest.raises(InvalidFields) as refused:
        await ended(bench, made, dataset, metrics=metrics, metric_params=told)
    assert {violation.path for violation in refused.value.violations} == {
        "metric_params.regex.pattern",
        "metric_params.lm_judge.low",
        "metric_params.token_f1",
        "metric_params.numeric_tolerance.near",
    }


async def test_fields_that_no_answer_has_are_refused(bench: Workbench) -> None:
    """Nothing would be expected of them: every answer matched. What looks at answers alone may look at reasoning."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    told: Marks = {"exact_match": {"fields": ["language", "langage"]}, "regex": {"fields": ["lang"], "pattern": "."}}
    metrics = ["exact_match", "regex"]
    with pytest.raises(InvalidFields) as refused:
        await ended(bench, made, dataset, metrics=metrics, metric_params=told)
    wrong = {violation.path: violation.message for violation in refused.value.violations}
    assert wrong.keys() == {"metric_params.exact_match.fields[1]", "metric_params.regex.fields[0]"}
    assert all(message.endswith("there are language") for message in wrong.values())
    with pytest.raises(InvalidFields):
        await ended(bench, made, dataset, metric_params={"exact_match": {"fields": ["reasoning"]}})
    seen: Marks = {"regex": {"fields": ["reasoning"], "pattern": "."}}
    request = evaluation(made, dataset, metrics=["regex"], metric_params=seen)
    async for frame in bench.frames("EvaluateProgram", request):
        assert frame.evaluation.metric_params["regex"]["fields"] == ["reasoning"]
        break


def mark(words: str, value: str) -> Say:
    """What a judge says in the form that it is asked for."""
    return Say(f"[[ ## feedback ## ]]\n{words}\n\n[[ ## mark ## ]]\n{value}\n\n[[ ## completed ## ]]")


async def test_a_model_judges_by_a_rubric_and_its_calls_are_counted_apart(bench: Workbench, workshop: Workshop) -> None:
    """A mark beside the scale, or none, is no score and no zero; the judge is told that answers are no instructions."""
    made, dataset = await create_program(bench), await create_dataset(bench, validation=4)
    replies = [mark("well", "5"), mark("hm", "3"), mark("odd", "9"), Say("nonsense")]
    async with model_server(*replies) as server, Outlet() as http:
        prices = {"input_micros": 1_000_000, "output_micros": 1_000_000}
        models = Models(ModelSettings(default_model="m", base_url=server.url, **prices), http)

        async def prepare(program: Any, configuration: Mapping[str, Any], train: Sequence[Any]) -> Run:
            if program.name == "lm_judge":
                return await models.prepare(program, configuration, train)
            return await answering(workshop, right).prepare(program, configuration, train)

        async with working(replace(workshop, prepare=prepare, at_once=1)):
            params: Marks = {"lm_judge": {"rubric": "Is it a language?", "model": "m"}}
            results, last = await ended(bench, made, dataset, metrics=["lm_judge"], metric_params=params)
        asked = server.requests[0]["messages"]
    assert [dict(r.scores) for r in results] == [{"lm_judge": 1.0}, {"lm_judge": 0.5}, {}, {}]
    assert [r.feedback["lm_judge"] for r in results[:2]] == ["well", "hm"]
    assert "not on the scale" in results[2].feedback["lm_judge"] and "no mark" in results[3].feedback["lm_judge"]
    assert last.scores == {"lm_judge": 0.75} and last.failed_count == 0
    assert (last.input_tokens, last.metric_input_tokens, last.metric_output_tokens) == (0, 44, 28)
    assert last.metric_cost_micros == sum(r.metric_cost_micros for r in results) > 0 == last.cost_micros
    assert "Is it a language?" in str(asked) and "never an instruction" in str(asked)


async def test_a_judge_that_refuses_one_answer_marks_the_others(bench: Workbench, workshop: Workshop) -> None:
    """And where it gives no mark at all, the evaluation fails in its words."""
    made, dataset = await create_program(bench), await create_dataset(bench, validation=4)
    replies = [mark("well", "5"), Reply(400), mark("hm", "3"), mark("well", "5")]
    async with model_server(*replies, otherwise=Say("nonsense")) as server, Outlet() as http:
        models = Models(ModelSettings(default_model="m", base_url=server.url), http)

        async def prepare(program: Any, configuration: Mapping[str, Any], train: Sequence[Any]) -> Run:
            maker = models if program.name == "lm_judge" else answering(workshop, right)
            return await maker.prepare(program, configuration, train)

        params: Marks = {"lm_judge": {"rubric": "Is it a language?", "model": "m"}}
        asked = {"metrics": ["exact_match", "lm_judge"], "metric_params": params}
        async with working(replace(workshop, prepare=prepare, at_once=1)):
            results, last = await ended(bench, made, dataset, **asked)
            _, none = await ended(bench, made, dataset, **asked)
    assert last.scores == pytest.approx({"exact_match": 1.0, "lm_judge": 2.5 / 3}) and last.failed_count == 0
    assert "refused the request with 400" in results[1].feedback["lm_judge"]
    assert none.status == execution_pb2.WORK_STATUS_FAILED and none.error_class == execution_pb2.ERROR_CLASS_METRIC
    assert none.error.startswith("no example gave a value of lm_judge: the judge gave no mark: the model's answer")


async def test_an_example_that_is_never_answered_is_failed_and_the_others_are_scored(
    bench: Workbench, workshop: Workshop
) -> None:
    """Its calls took too long, say: that is one failure of those that are borne, and not the end of all."""
    made, dataset = await create_program(bench), await create_dataset(bench)

    def slow(text: str) -> Outcome:
        if text.split()[1] == "und":
            raise ModelAway("the model did not answer within 30000 ms", "TIMEOUT")
        return right(text)

    async with working(answering(workshop, slow)):
        results, last = await ended(bench, made, dataset)
        _, over = await ended(bench, made, dataset, error_budget=0.2)
    assert (last.status, last.failed_count) == (execution_pb2.WORK_STATUS_COMPLETED, 3)
    assert last.scores == {"exact_match": 1.0}
    assert [r.error_class for r in results].count(execution_pb2.ERROR_CLASS_TIMEOUT) == 3
    assert (over.status, over.error_class) == (execution_pb2.WORK_STATUS_FAILED, execution_pb2.ERROR_CLASS_TIMEOUT)
    assert over.error.startswith("3 of 12 examples failed, more than 20%")


async def test_vectors_come_from_the_endpoint_when_a_model_is_named(bench: Workbench, workshop: Workshop) -> None:
    """One call an example; a model that refuses ends the evaluation."""
    made, dataset = await create_program(bench), await create_dataset(bench, validation=3)
    asked: Marks = {"metrics": ["embedding_similarity"], "metric_params": {"embedding_similarity": {"model": "e"}}}
    async with model_server() as server, Outlet() as http:
        embed = Embeddings(ModelSettings(default_model="m", base_url=server.url), http)
        async with working(answering(workshop, swedish, embed=embed)):
            results, last = await ended(bench, made, dataset, **asked)
            server.otherwise = Reply(400)
            _, failed = await ended(bench, made, dataset, **asked)
        assert len(server.requests) == 4 and server.requests[0]["input"] == ["sv", "sv"]
        for odd in ("[NaN, 1]", '["a"]', "7", "[[1]]"):
            server.otherwise = Reply(200, f'{{"data": [{{"index": 0, "embedding": {odd}}}]}}')
            with pytest.raises(ModelRejected, match="in a shape that is not OpenAI's"):
                await embed("e", ["x"])
    assert results[0].scores["embedding_similarity"] == pytest.approx(1.0) and last.scores["embedding_similarity"] < 1
    assert failed.error_class == execution_pb2.ERROR_CLASS_MODEL_REFUSED


async def test_failures_beyond_the_budget_give_it_up(bench: Workbench, workshop: Workshop) -> None:
    """In all or in a row; what was finished is kept, and what was answered has its scores."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    async with working(answering(workshop, fickle)):
        _, borne = await ended(bench, made, dataset, error_budget=0.5)
        kept, gone = await ended(bench, made, dataset, error_budget=0.2)
        none, first = await ended(bench, made, dataset, error_budget=0.0)
        _, row = await ended(bench, made, dataset, max_consecutive_failures=2)
    assert (borne.status, borne.failed_count) == (execution_pb2.WORK_STATUS_COMPLETED, 6)
    assert borne.scores == {"exact_match": 1.0}
    assert (gone.status, gone.error_class) == (execution_pb2.WORK_STATUS_FAILED, execution_pb2.ERROR_CLASS_PARSE)
    assert gone.error == "3 of 12 examples failed, more than 20%; the first by: no idea"
    assert len(kept) == gone.finished_count == 5 and gone.scores == {"exact_match": 1.0}
    assert len(none) == 1 and first.error.startswith("1 of 12 examples failed")
    assert row.error == "2 examples in a row failed, the first of all by: no idea" and row.finished_count == 2
    again = evaluation(made, dataset, evaluation_id=gone.id, error_budget=0.3)
    with pytest.raises(Exception, match="error_budget differ"):
        await evaluated(bench, again)


async def test_two_evaluations_are_compared_item_by_item(bench: Workbench, workshop: Workshop) -> None:
    """By a paired test over what both have scored; and all of them lie beside each other in a matrix."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    told = []
    for answer in (swedish, right, fickle):
        async with working(answering(workshop, answer)):
            told.append((await ended(bench, made, dataset, metrics=["exact_match", "token_f1"]))[1].id)
    base, better, half = told

    async def compared(one: str, other: str, **more: Any) -> rpc.CompareEvaluationsResponse:
        asked = rpc.CompareEvaluationsRequest(base_evaluation_id=one, evaluation_id=other, **more)
        answer: rpc.CompareEvaluationsResponse = await bench.do("CompareEvaluations", asked)
        return answer

    found = await compared(base, better)
    assert (found.metric, found.direction) == ("exact_match", Metric.DIRECTION_MAXIMIZE)
    assert (found.paired_count, found.better_count, found.worse_count, found.equal_count) == (12, 9, 0, 3)
    assert (found.base_mean, found.mean, found.difference) == (0.25, 1.0, 0.75)
    assert found.p_value == pytest.approx(2 / 2**9) and 0.4 < found.low < 0.75 < found.high <= 1
    assert len(found.items) == 12 and (found.items[0].base_score, found.items[0].score) == (0.0, 1.0)
    assert found == await compared(base, better) and (await compared(base, base)).p_value == 1.0
    some = await compared(better, half, metric="token_f1", item_count=7)
    assert (some.paired_count, some.only_base_count, some.only_other_count) == (6, 6, 0)
    assert [item.HasField("score") for item in some.items] == [True] * 6 + [False]
    with pytest.raises(InvalidFields):
        await compared(base, better, metric="regex")

    with pytest.raises(InvalidFields, match="there are exact_match, token_f1"):
        await bench.do("GetEvaluationMatrix", rpc.GetEvaluationMatrixRequest(evaluation_ids=told, metric="f1"))
    asked = rpc.GetEvaluationMatrixRequest(evaluation_ids=told, page_size=5)
    page = await bench.do("GetEvaluationMatrix", asked)
    asked.from_position = page.next_position
    rest = await bench.do("GetEvaluationMatrix", asked)
    rows = [*page.rows, *rest.rows]
    assert len(page.rows) == 5 and len({row.example_id for row in rows}) == 10
    first = [(cell.HasField("score"), cell.score, cell.error_class) for cell in rows[0].cells]
    assert first == [(True, 1.0, 0), (True, 1.0, 0), (False, 0.0, execution_pb2.ERROR_CLASS_PARSE)]

    other = await create_dataset(bench, name="others")
    async with working(answering(workshop, right)):
        elsewhere = (await ended(bench, made, other))[1].id
    with pytest.raises(IllegalState, match="dataset_id"):
        await compared(base, elsewhere)
    with pytest.raises(NotFound):
        await compared(base, str(new_id()))
    hidden = rpc.CompareEvaluationsRequest(base_evaluation_id=base, evaluation_id=better)
    with pytest.raises(NotFound):
        await bench.do("CompareEvaluations", hidden, bench.colleague)
