"""`ashgrove runs report`: a few lines, JSON, or a page in a file; and what is told while a run is watched."""

import json
from pathlib import Path

import pytest
from ashgrove import cli
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunResponse
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.run_report_pb2 import RunReport
from click.testing import CliRunner
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.struct_pb2 import Value

from tests.unit.client.conftest import Scripted
from tests.unit.client.test_cli import gateway

__all__ = ["gateway"]
WIDE = {"COLUMNS": "200"}


def _report() -> RunReport:
    report = RunReport(end="completed", summary=["On 8 unseen examples: [proven] gain."], cost_incomplete=True)
    report.run.name = "calm [red]"
    report.run.holdout_result.figures.add(metric="exact_match", baseline=0.1, best=0.9, gain=0.8, words="proven gain")
    report.changes.add(path="heat", before=Value(number_value=0.9), after=Value(string_value="x" * 80))
    report.run.ablation_result.variables.add(variable="heat").figures.add(metric="exact_match", earned=0.7)
    report.run.ablation_result.variables.add(variable="rules", error="left out")
    report.run.repeats_result.trials.add(
        trial_number=31, looked={"exact_match": 0.97}, objectives={"exact_match": 0.83}
    )
    report.usage.add(what="trials", metric_calls=80)
    report.missing.append("the importance of variables: too few")
    return report


def test_a_report_is_a_few_lines_whole_json_or_a_page(gateway: Scripted, tmp_path: Path) -> None:
    """The verdict first; what the server wrote is shown as it is, brackets too."""
    gateway.answer = lambda *_: _report()
    shown = CliRunner().invoke(cli.main, ["runs", "report", "r"], env=WIDE).output
    lines = shown.splitlines()
    assert lines[0] == "calm [red]  completed" and lines[1] == "  On 8 unseen examples: [proven] gain."
    for word in ("proven gain", "0.7", "31", "0.97", "0.83", "left out", "80", "not exact", "too few", "x" * 60 + "…"):
        assert word in shown, word
    told = json.loads(CliRunner().invoke(cli.main, ["runs", "report", "r", "--json"]).output)
    assert told["run"]["name"] == "calm [red]" and told["usage"][0]["metric_calls"] in (80, "80")
    gateway.answer = lambda *_: HttpBody(content_type="text/html; charset=utf-8", data="<p>größer</p>".encode())
    file = tmp_path / "report.html"
    assert CliRunner().invoke(cli.main, ["runs", "report", "r", "--html", str(file)]).exit_code == 0
    assert file.read_text(encoding="utf-8") == "<p>größer</p>"


def test_a_watched_trial_says_where_it_comes_from(gateway: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent and what it has otherwise, in the order of the story."""
    event = RunEvent(sequence=7, type=RunEvent.TYPE_TRIAL_STARTED, trial_number=3, parent_trial_number=2)
    event.changes.add(path="heat", before=Value(number_value=0.5), after=Value(number_value=0.25))
    warning = RunEvent(sequence=8, type=RunEvent.TYPE_BUDGET_WARNED, limit="tokens", used=81, most=100)
    end = WatchOptimizationRunResponse()
    end.end.SetInParent()
    frames = [WatchOptimizationRunResponse(item=event), WatchOptimizationRunResponse(item=warning), end]
    gateway.watches.append(frames)
    lines = CliRunner().invoke(cli.main, ["runs", "watch", "r"], env=WIDE).output.splitlines()
    assert "trial_number=3 parent_trial_number=2 heat: 0.5 → 0.25" in lines[0]
    assert "budget_warned" in lines[1] and "limit=tokens used=81" in lines[1]
