"""A run's report: one document from what is stored, whole when the run has ended and sealed as long as it has not."""

import html
import re
from typing import Any

import pytest
from ashgrove.auth.v1.user_pb2 import User
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective, OptimizationRun
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest
from ashgrove.optimizer.v1.run_report_pb2 import GetRunReportPageRequest, GetRunReportRequest, RunReport
from ashgrove.program.v1.program_requests_pb2 import TextPiece

from framework.errors import NotFound
from framework.testing.waiting import until
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_ablating import HEAT, RULES
from tests.integration.optimizer.test_pausing import has
from tests.integration.optimizer.test_runs_over_prompts import add, space_of

Run = OptimizationRun
EVIL = "<script>alert('&')</script>"


async def report(around: Neighbourhood, actor: Any, run: Run) -> RunReport:
    """Returns the report as an actor gets it."""
    return await around.do(actor, "GetRunReport", GetRunReportRequest(id=run.id))  # type: ignore[no-any-return]


async def page(around: Neighbourhood, actor: Any, run: Run) -> str:
    """Returns the page as an actor gets it."""
    body = await around.do(actor, "GetRunReportPage", GetRunReportPageRequest(id=run.id))
    assert body.content_type == "text/html; charset=utf-8"
    return str(body.data.decode())


async def started(around: Neighbourhood, owner: Any, **fields: Any) -> Run:
    """Returns a run of ten trials over two variables, of which the heat alone matters, with a test split."""
    around.model.says = lambda text, temperature: "sv" if temperature < 0.4 else "fi"
    dataset = await around.dataset(owner, validation=8, test=8)
    space = await space_of(around, owner, HEAT, RULES)
    usual = {"max_trials": 10, "seed": 4, "objectives": [Objective(metric="exact_match"), Objective(metric="cost")]}
    usual |= {"dataset_id": dataset.id, "variable_space_id": space.id, "name": EVIL, "parallelism": 2}
    return await around.start(owner, await around.wanted(owner, **(usual | fields)))


async def test_a_report_holds_all_that_became_of_a_run(around: Neighbourhood) -> None:
    """Verdict, price, changes, what each earned, front, examples, importance, seeds; and no one's text is HTML."""
    owner, stranger = await around.person(), await around.person()
    run = await started(around, owner)
    async with around.working():
        await has(around, owner, run, Run.STATUS_COMPLETED)
    found = await report(around, owner, run)
    now = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    assert found.run.holdout_result == now.holdout_result and found.run.ablation_result == now.ablation_result
    assert found.is_final and found.end == "completed: all of its trials were tried"
    assert found.summary[0].startswith("On 8 unseen examples, exact_match: proven gain (1 better than the baseline")
    assert "no proven gain" in found.summary[1] and found.summary[-1].endswith("is due to temperature.")
    parts = {each.what: each for each in found.usage}
    assert [parts[name].metric_calls for name in ("trials", "last look", "ablation", "total")] == [80, 16, 16, 112]
    assert parts["total"].cost_micros == 2 * 112 and not found.cost_incomplete
    assert [(each.name, each.used, each.most) for each in found.limits] == [("max_trials", 10.0, 10.0)]
    assert {each.path for each in found.changes} == {"temperature", "rule_count"}
    assert [each.number for each in found.trials] == list(range(1, 11))
    assert all(each.seed and each.sampler_version and each.content_hash for each in found.trials)
    best = next(each.number for each in found.trials if each.id == now.best_trial_id)
    assert found.matrix.trial_numbers[0] == best and found.matrix.metric == "exact_match"
    assert len(found.matrix.rows) == 8 and all(row.cells[0].score == 1.0 for row in found.matrix.rows)
    assert found.front.version and found.run.convergence.window == 10 and found.run.objective_statistics[0].best == 1.0
    assert found == await report(around, owner, run)
    shown = await page(around, owner, run)
    assert "<script" not in shown and html.escape(EVIL) in shown and "http" not in shown.replace("http-equiv", "")
    assert {"proven gain", "no proven gain", "temperature"} <= set(re.split(r"[<>]", shown))
    for rpc, request in (("GetRunReport", GetRunReportRequest), ("GetRunReportPage", GetRunReportPageRequest)):
        with pytest.raises(NotFound):
            await around.do(stranger, rpc, request(id=run.id))


async def test_nothing_of_the_test_split_is_in_a_report_before_the_end(around: Neighbourhood) -> None:
    """Neither for the owner nor for an administrator, though all but one of its examples are evaluated."""
    owner, admin = await around.person(), await around.person(role=User.ROLE_ADMIN)
    around.model.held = lambda text: text.startswith("text 15")
    run = await started(around, owner)
    async with around.working():

        async def looking() -> bool:
            return any(text.startswith("text 15") for text in around.model.asked)

        await until(looking)
        for person in (owner, admin):
            found = await report(around, person, run)
            assert not found.is_final and found.summary[0] == "The run has not ended: it is running."
            assert not found.run.HasField("holdout_result") and "not known" in found.summary[1]
            assert [row.position for row in found.matrix.rows] == list(range(8))  # the validation split alone
            assert "On 8 examples that no trial has seen" not in await page(around, person, run)
        around.model.let_go.set()
        await has(around, owner, run, Run.STATUS_COMPLETED)


async def test_prompts_are_compared_by_what_they_say_word_by_word(around: Neighbourhood) -> None:
    """A reference says nothing to a reader; what the program says by itself is what unchanged stands for."""
    owner = await around.person()
    space = await space_of(around, owner, HEAT, {"name": "words", "instruction": {"slot": "main"}})
    await add(around, owner, space, f"Say calmly, and in one word, in which language this is. {EVIL}")
    program = await around.program(owner)
    wanted = await around.wanted(
        owner, variable_space_id=space.id, program_id=program.id, strategy=Run.STRATEGY_GRID_SEARCH, max_trials=20
    )
    run = await around.start(owner, wanted)
    around.model.says = lambda text, temperature: "sv" if temperature < 0.4 else "fi"
    async with around.working():
        await has(around, owner, run, Run.STATUS_COMPLETED)
    async with around.optimizer.database.system() as tx:  # as if the new instruction had been what helped
        best = """SELECT id, configuration FROM trials WHERE optimization_run_id = %(id)s
                  AND configuration ->> 'words' LIKE 'sha256:%%' ORDER BY number LIMIT 1"""
        (trial,) = await tx.fetch(best, {"id": run.id})
        await tx.execute(
            """UPDATE optimization_runs SET best_trial_id = %(trial)s, best_configuration = t.configuration
               FROM trials t WHERE t.id = %(trial)s AND optimization_runs.id = %(id)s""",
            {"id": run.id, "trial": trial["id"]},
        )
    found = await report(around, owner, run)
    change = next(each for each in found.changes if each.path == "words")
    added = "".join(piece.text for piece in change.pieces if piece.kind == TextPiece.KIND_ADDED)
    assert "calmly" in added and change.after.string_value.endswith(EVIL)
    shown = await page(around, owner, run)
    assert "<ins>" in shown and "<script" not in shown


async def test_a_report_of_little_says_what_is_not_in_it(around: Neighbourhood) -> None:
    """No trial yet, or clients that evaluate: a report all the same, of what they told, with the reasons."""
    owner = await around.person()
    objective = Objective(metric="accuracy", direction=Objective.DIRECTION_MAXIMIZE)
    space = await space_of(around, owner, HEAT, RULES)
    run = Run(
        variable_space_id=space.id,
        evaluator=Run.EVALUATOR_EXTERNAL,
        strategy=Run.STRATEGY_RANDOM,
        objectives=[objective],
        max_trials=5,
    )
    run = await around.start(owner, run)
    found = await report(around, owner, run)
    assert found.summary[-1] == "No trial is complete: there is no result." and not found.trials
    assert any(each.startswith("the candidates on the examples: no trial") for each in found.missing)
    await around.do(owner, "SuggestTrials", pb.SuggestTrialsRequest(id=run.id, client="one", count=2))
    for number in (1, 2):
        told = pb.ReportExamplesRequest(id=run.id, client="one", number=number)
        told.examples.add(example_id="first", scores={"accuracy": 0.5 * number})
        told.examples.add(example_id="second", error="it broke")
        await around.do(owner, "ReportExamples", told)
        ended = pb.TrialCompletion(number=number, objectives={"accuracy": 0.5 * number})
        await around.do(owner, "CompleteTrials", pb.CompleteTrialsRequest(id=run.id, client="one", completions=[ended]))
    found = await report(around, owner, run)
    assert list(found.matrix.trial_numbers) == [2, 1]
    first, second = found.matrix.rows
    assert (first.example_id, second.example_id) == ("first", "second")
    assert [cell.score for cell in first.cells] == [1.0, 0.5]
    assert second.cells[0].finished and not second.cells[0].HasField("score")
    assert {each.path for each in found.changes} == {"temperature", "rule_count"}
    assert "What is not here" in await page(around, owner, run)
