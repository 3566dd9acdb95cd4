"""Scoring with custom metrics: kept promises come back as numbers, broken ones as METRIC faults."""

from typing import Any

import pytest

from services.program.code.contract import CodeFault, Limits
from services.program.code.pool import Workers

EXAMPLE = {"inputs": {"text": "x"}, "outputs": {"label": "sv"}}
PREDICTION = {"outputs": {"label": "sv"}}


@pytest.mark.parametrize(
    ("metric", "params", "scores", "feedback"),
    [
        ("overlap", {}, {"overlap": 1.0}, ""),
        ("steps", {}, {"steps": 0.0}, ""),
        ("later", {"value": 0.25}, {"later": 0.25}, ""),
        ("judge", {}, {"judge.tone": 0.5, "judge.length": 12.0}, "too long"),
        ("judge", {"answer": {"scores": {"tone": 1, "length": 0}}}, {"judge.tone": 1.0, "judge.length": 0.0}, ""),
        ("told", {"answer": {"score": 1, "feedback": "well\x00"}}, {"told": 1.0}, "well\ufffd"),
    ],
)
async def test_scores_and_feedback(
    workers: Workers, metric: str, params: dict[str, Any], scores: dict[str, float], feedback: str
) -> None:
    """By full name, as numbers; sync and async alike, with or without a program."""
    async with workers.session(None, [metric], Limits()) as session:
        scored = await session.score(metric, EXAMPLE, PREDICTION, None, params)
    assert (scored.scores, scored.feedback) == (scores, feedback)
    assert scored.feedback_by_slot == ({"main": "be brief"} if feedback == "too long" else {})


@pytest.mark.parametrize(
    ("metric", "params", "message"),
    [
        ("nan", {}, "the score nan must be a finite number, not nan"),
        ("infinite", {}, "the score infinite must be a finite number, not inf"),
        ("outside", {}, "the score outside is 1.5, outside its declared range 0 to 1"),
        ("text", {}, "the score text must be a number, not a str"),
        ("fail", {}, "the metric fail raised KeyError: 'answer'"),
        ("told", {"answer": True}, "the score told must be a number, not a bool"),
        ("told", {"answer": None}, "the score told must be a number, not None"),
        (
            "told",
            {"answer": {"scores": {"told": 1}}},
            "`score`, `feedback` and `feedback_by_slot` are known",
        ),
        ("told", {"answer": {"feedback": "well"}}, "the metric told returned no `score`"),
        ("told", {"answer": {"score": 1, "feedback": 7}}, "the feedback of the metric told must be text, not an int"),
        ("told", {"answer": {"score": 1, "feedback_by_slot": ["x"]}}, "must be a mapping of slots to texts"),
        ("told", {"answer": {"score": 1, "feedback_by_slot": {"a": 1}}}, "must be text, not an int"),
        ("judge", {"answer": 0.5}, "has parts, but returned a float instead of their scores"),
        ("judge", {"answer": {"scores": 1}}, "the scores of the metric judge must be a mapping of parts, not an int"),
        ("judge", {"answer": {"scores": {"tone": 1}}}, "the metric judge gave no score for length"),
        ("judge", {"answer": {"scores": {"tone": 1, "length": 1, "x": 1}}}, "the metric judge has no part x"),
        ("judge", {"answer": {"scores": {"tone": 2, "length": 1}}}, "the score judge.tone is 2, outside its declared"),
    ],
)
async def test_broken_promises_are_faults_of_the_metric(
    workers: Workers, metric: str, params: dict[str, Any], message: str
) -> None:
    """NaN, infinities, what is out of range or no number, parts that nobody declared: the message names the score."""
    async with workers.session("echo@1", [metric], Limits()) as session:
        for _ in range(2):  # the process is none the worse for it
            with pytest.raises(CodeFault) as caught:
                await session.score(metric, EXAMPLE, PREDICTION, {}, params)
            assert caught.value.error_class == "METRIC"
            assert message in caught.value.message


async def test_a_session_knows_what_its_metrics_promise(workers: Workers) -> None:
    """Score by score, parts by their full names, in the order of asking."""
    async with workers.session(None, ["steps", "judge"], Limits()) as session:
        promises = session.promises
    assert [promise.name for promise in promises] == ["steps", "judge.tone", "judge.length"]
    assert (promises[0].direction, promises[0].low, promises[0].high) == ("minimize", 0.0, None)
    assert (promises[0].unit, promises[0].aggregation) == ("steps", "p95")


async def test_everything_registered_is_described_or_says_what_is_wrong(workers: Workers, register: Any) -> None:
    """One that cannot be imported, or that ends whoever imports it, costs no other its description.

    What was described is remembered until something else is registered.
    """
    known = await workers.describe()
    assert known.programs["learner@1"].description == "Answers with the commonest label of the training examples."
    assert known.programs["echo@1"].description == "Returns its inputs and parameters."
    assert known.programs["leaves@1"].error == "the code ended its process with exit status 5"
    assert "no licence" in known.programs["raises@1"].error
    assert known.programs["traced@1"].error == ""
    judge = known.metrics["judge"]
    assert [p.name for p in judge.scores.values()] == ["judge.tone", "judge.length"]
    length = judge.scores["judge.length"]
    assert (length.direction, length.low, length.high) == ("minimize", 0.0, None)
    assert (length.unit, length.aggregation) == ("words", "sum")
    assert known.metrics["overlap"].description == "Tells which share of the expected outputs was predicted."
    assert "low must be less than high" in known.metrics["backwards"].error
    assert known.metrics["exact_match"].error == "is the name of a measure that is built in"
    assert known.metrics["not_a_metric"].error == "not_a_metric must be a Metric, not a function"
    assert await workers.describe() is known
    register("late", "[ashgrove.programs]\nlate@2 = ashgrove_wicked.programs:echo\n")
    assert (await workers.describe()).programs["late@2"].error == ""
