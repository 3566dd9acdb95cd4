"""What clients report from the middle of a trial: kept once, read again, refused when it is wrong."""

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb

from framework.errors import InvalidFields, LeaseLost
from framework.testing.workbench import Workbench
from tests.integration.optimizer.asked import Run, ask, now, opened, reached, tell


async def test_reports_are_kept_once_and_can_be_read(bench: Workbench) -> None:
    """Values by step, the last of each; examples with all that they say; their usage is the trial's."""
    run = await opened(bench, limits={"tokens": 100})
    (trial,) = (await ask(bench, run)).trials
    steps = [pb.Measurement(step=s, values={"gain": s / 10, "loss": 1.0}) for s in (1, 2, 2)]
    steps[2].values["gain"] = 0.9
    answer = await bench.do(
        "ReportMeasurements", pb.ReportMeasurementsRequest(id=run, client="a", number=1, measurements=steps)
    )
    assert not answer.standing.should_stop
    example = pb.ReportedExample(
        example_id="e1", scores={"gain": 1.0}, feedback={"gain": "well said"}, tokens=60, cost_micros=3, latency_ms=2.5
    )
    example.trace.update({"main": {"inputs": {"text": "bonjour"}, "outputs": {"language": "fr"}}})
    failed = pb.ReportedExample(example_id="e1", repeat=1, error="timed out", error_class=4, tokens=50)
    for examples, added in (([example], 1), ([example, failed], 1)):
        answer = await bench.do(
            "ReportExamples", pb.ReportExamplesRequest(id=run, client="a", number=1, examples=examples)
        )
        assert answer.added == added
    assert answer.standing.should_stop
    found = await bench.do("GetTrialReports", pb.GetTrialReportsRequest(id=trial.id))
    assert [(m.step, m.values["gain"]) for m in found.measurements] == [(1, 0.1), (2, 0.9)]
    assert list(found.examples) == [example, failed]
    done = (await tell(bench, run, "a", reached(1, tokens=7))).trials[0]
    assert (done.finished_count, done.tokens, done.cost_micros) == (2, 110, 3)
    assert (await now(bench, run)).end_reason == Run.END_REASON_TOKENS


async def test_what_is_reported_is_finite_and_of_a_trial_that_the_client_has(bench: Workbench) -> None:
    run = await opened(bench)
    await ask(bench, run)
    asked = pb.ReportMeasurementsRequest(id=run, client="a", number=1)
    asked.measurements.add(step=1).values["gain"] = float("inf")
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ReportMeasurements", asked)
    assert [v.path for v in refused.value.violations] == ["measurements[0].values.gain"]
    foreign = pb.ReportExamplesRequest(id=run, client="b", number=1)
    foreign.examples.add(example_id="e")
    with pytest.raises(LeaseLost):
        await bench.do("ReportExamples", foreign)
