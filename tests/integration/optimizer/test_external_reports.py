"""What clients report from the middle of a trial: kept once, read again, refused when it is wrong."""

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb

from framework.errors import InvalidFields, LeaseLost
from framework.testing.workbench import Workbench
from services.optimizer.external import reporting
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


async def test_all_examples_are_read_page_by_page(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once and in its order, also those that come meanwhile; values by step come with the first page."""
    monkeypatch.setattr(reporting, "SHOWN", 3)
    run = await opened(bench)
    (trial,) = (await ask(bench, run)).trials

    async def report(*names: str) -> None:
        examples = [pb.ReportedExample(example_id=name) for name in names]
        await bench.do("ReportExamples", pb.ReportExamplesRequest(id=run, client="a", number=1, examples=examples))

    measured = pb.ReportMeasurementsRequest(id=run, client="a", number=1)
    measured.measurements.add(step=1).values["gain"] = 0.5
    await bench.do("ReportMeasurements", measured)
    await report("d", "b", "c", "a")
    first = await bench.do("GetTrialReports", pb.GetTrialReportsRequest(id=trial.id))
    await report("e", "f", "b")
    second = await bench.do(
        "GetTrialReports", pb.GetTrialReportsRequest(id=trial.id, from_position=first.next_position)
    )
    assert [each.example_id for page in (first, second) for each in page.examples] == ["d", "b", "c", "a", "e", "f"]
    assert len(first.measurements) == 1 and not second.measurements and not second.next_position


async def test_what_is_reported_is_finite_and_of_a_trial_that_the_client_has(bench: Workbench) -> None:
    run = await opened(bench)
    await ask(bench, run)
    asked = pb.ReportMeasurementsRequest(id=run, client="a", number=1)
    asked.measurements.add(step=1).values["gain"] = float("inf")
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ReportMeasurements", asked)
    assert [v.path for v in refused.value.violations] == ["measurements[0].values.gain"]
    classed = pb.ReportExamplesRequest(id=run, client="a", number=1)
    classed.examples.add(example_id="e", error_class=4)
    with pytest.raises(InvalidFields) as unsaid:
        await bench.do("ReportExamples", classed)
    assert [v.path for v in unsaid.value.violations] == ["examples[0].error_class"]
    foreign = pb.ReportExamplesRequest(id=run, client="b", number=1)
    foreign.examples.add(example_id="e")
    with pytest.raises(LeaseLost):
        await bench.do("ReportExamples", foreign)
