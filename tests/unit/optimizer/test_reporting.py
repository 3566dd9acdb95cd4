"""A report's page: nothing that anybody wrote is more than text, and whatever is there can be drawn."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective, OptimizationRun
from ashgrove.optimizer.v1.run_report_pb2 import RunReport
from ashgrove.optimizer.v1.trial_pb2 import Trial
from google.protobuf.struct_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st

from domain.objectives import Objective as Aim
from services.optimizer.reporting import charts
from services.optimizer.reporting.elements import Html, table, tag, together
from services.optimizer.reporting.listing import MOST_TRIALS, listed
from services.optimizer.reporting.page import page
from services.optimizer.reporting.words import summary

EVIL = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&"


class Elements(HTMLParser):
    """What a browser sees of a page: its elements and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes one."""
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@given(st.text())
def test_text_is_text_wherever_it_is_put(text: str) -> None:
    """As a child, as an attribute, as a cell."""
    made = tag("p", text, title=text)
    assert not re.search(r"<(?!/?p\b)", made) and made.count('"') == 2
    assert tag("b", Html("<i>")) == "<b><i></b>" and together([text, 1]).endswith("1")
    assert not re.search(r"<(?!/?(div|table|thead|tbody|tr|th|td)\b)", table(("a",), [[text]]))


@pytest.mark.parametrize("strategy", [OptimizationRun.STRATEGY_REGISTERED, OptimizationRun.STRATEGY_RANDOM])
def test_every_text_of_a_report_is_escaped(strategy: Any) -> None:
    """Names, values, errors, paths, prompts and what is missing."""
    run = OptimizationRun(
        id="1", name=EVIL, strategy=strategy, best_trial_id="2", error=EVIL, objectives=[Objective(metric=EVIL)]
    )
    report = RunReport(run=run, is_final=True, end=EVIL, summary=[EVIL], missing=[EVIL])
    report.trials.add(number=1, id="2", error=EVIL, objectives={EVIL: 0.5}, sampler_version=EVIL, content_hash=EVIL)
    change = report.changes.add(path=EVIL, before=Value(string_value=EVIL), after=Value(string_value=EVIL * 3))
    change.pieces.add(text=EVIL)
    report.changes.add(path=EVIL, after=Value(string_value=EVIL))
    report.run.ablation_result.variables.add(variable=EVIL, error=EVIL, best=Value(string_value=EVIL))
    report.run.holdout_result.figures.add(metric=EVIL, words=EVIL, gain=1.0, low=0.5, high=2.0)
    report.run.repeats_result.error = EVIL
    report.run.repeats_result.trials.add(trial_number=1, looked={EVIL: 0.5}, objectives={EVIL: 0.4}, error=EVIL)
    report.importance.effects.add(variable=EVIL)
    point = report.front.points.add(trial_number=1, objectives={EVIL: 0.5})
    point.configuration.update({EVIL: EVIL})
    report.matrix.metric = EVIL
    report.matrix.rows.add(example_id=EVIL).cells.add(finished=True)
    made = page(report)
    seen = Elements()
    seen.feed(made)
    assert not seen.tags & {"script", "img", "link", "iframe", "object", "a", "form", "base"}
    assert not [name for name in seen.attributes if name.startswith("on") or name in ("src", "href", "style")]
    assert "default-src &#x27;none&#x27;" in made and not re.search(r"url\(|@import", made)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=30))
def test_whatever_was_reached_can_be_drawn(places: list[tuple[float, float]]) -> None:
    """The smallest and the largest numbers too; what is no number is left out."""
    drawn = charts.plot([charts.Dot(x, y, "trial", "t") for x, y in places], [], "x", "y")
    assert "nan" not in drawn.replace('class="name"', "") and 'cx="inf' not in drawn
    for x, y in re.findall(r'cx="([^"]*)" cy="([^"]*)"', drawn):
        assert 0 <= float(x) <= charts.WIDTH and 0 <= float(y) <= charts.HEIGHT


def test_of_very_many_trials_those_that_matter_are_listed_and_an_even_share_of_the_others() -> None:
    """The front and each new best are among them; up to a thousand all are."""
    rows = [_row(number, value=(number * 7919) % 10_007) for number in range(1, 5001)]
    found = list(listed(rows, {17, 4000}, [Aim("score")]))
    numbers = [each.number for each in found]
    assert len(found) == MOST_TRIALS and numbers == sorted(set(numbers)) and {17, 4000} <= set(numbers)
    best = max(rows, key=lambda row: row["objectives"]["score"])["number"]
    assert best in numbers and max(b - a for a, b in pairwise(numbers)) <= 8
    assert [each.on_front for each in found if each.number == 17] == [True]
    assert len(list(listed(rows[:MOST_TRIALS], set(), [Aim("score")]))) == MOST_TRIALS


def _row(number: int, value: float) -> dict[str, Any]:
    empty = dict.fromkeys(("sampler_version", "content_hash", "error"), "")
    status = Trial.Status.Name(Trial.STATUS_COMPLETED)
    known = {"number": number, "id": number, "status": status, "objectives": {"score": float(value)}, "seed": 1}
    return {**known, **empty, "completed_at": None}


def test_a_best_that_is_the_baseline_is_said_to_be_it() -> None:
    """A hypervolume is drawn by time: trials end in another order than that of their numbers."""
    run = OptimizationRun(id="1", best_trial_id="2", objectives=[Objective(metric="score")])
    run.holdout_result.baseline_evaluation_id = run.holdout_result.best_evaluation_id = "3"
    run.started_at.FromSeconds(1000)
    report = RunReport(run=run, is_final=True)
    assert "The best is the baseline itself." in list(summary(report))
    for second, trial in enumerate((2, 5, 1)):
        report.front.history.add(version=second + 1, trial_number=trial, hypervolume=second).at.FromSeconds(
            1010 + second
        )
    drawn = page(report)
    (line,) = re.findall(r'<path d="([^"]*)" class="line">', drawn.split("hypervolume by seconds")[1])
    across = [float(x) for x in re.findall(r"[MH]([0-9.]+)", line)]
    assert len(across) == 3 and across == sorted(set(across))
    assert "estimated" not in drawn
    report.front.points.add(), report.front.points.add()
    report.front.hypervolume = report.front.history[-1].hypervolume = 2
    report.front.hypervolume_margin = report.front.history[-1].hypervolume_margin = 0.25
    drawn = page(report)
    assert "hypervolume, estimated by seconds" in drawn and "is 2 ± 0.25 at 95 %, estimated" in drawn
    report.run.holdout_result.baseline_evaluation_id = "4"
    assert "The best is the baseline itself." not in list(summary(report))


def test_what_a_client_told_is_not_said_to_be_of_a_split() -> None:
    """A run that clients evaluate has none."""
    run = OptimizationRun(id="1", best_trial_id="2", objectives=[Objective(metric="loss")], completed_trials=3)
    assert any("on the validation split" in line for line in summary(RunReport(run=run)))
    run.evaluator = OptimizationRun.EVALUATOR_EXTERNAL
    (best,) = [line for line in summary(RunReport(run=run)) if "complete trials" in line]
    assert best.endswith("as its client told.")
