"""What the demo shows: a chart whose marks are where the numbers are, words that fit, and a result with its keys."""

import io
import json

from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from demo.digits.chart import Scale, draw
from demo.digits.classifiers import MODELS, PREPROCESSING, Settings
from demo.digits.job import Member, Searched
from demo.digits.shown import result, show
from demo.digits.space import SPACE, described
from demo.progress import FrontSoFar, best_so_far, follow

POINTS = st.tuples(st.floats(0.5, 2000), st.floats(0, 1))
Point = tuple[float, float]


def _front(points: list[Point]) -> list[Point]:
    return [p for p in points if not any(q != p and q[0] <= p[0] and q[1] >= p[1] for q in points)]


@given(st.lists(POINTS, min_size=1, max_size=60, unique=True))
def test_a_chart_has_its_size_and_a_mark_for_what_is_on_the_front(points: list[Point]) -> None:
    """Whatever the numbers, nothing falls off, lines are equally wide, and the front has at least one mark."""
    front = _front(points)
    lines = draw(points, front).plain.splitlines()
    rows = lines[1:15]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert 1 <= "".join(rows).count("●") <= len(front)
    assert all(len(line) < 80 for line in lines)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.booleans())
def test_a_scale_keeps_the_order(a: float, b: float, logarithmic: bool) -> None:
    """What is larger is never further to the left, and the ends are the ends."""
    scale = Scale(0.01, 100, 40, logarithmic)
    assert (scale.cell(a) <= scale.cell(b)) == (a <= b) or scale.cell(a) == scale.cell(b)
    assert (scale.cell(0.01), scale.cell(100)) == (0, 39)


def test_a_chart_is_what_it_should_look_like() -> None:
    """Up and to the left is better; the staircase joins the front; hopeless trials are counted below."""
    shown = draw([(5, 0.9), (50, 0.99), (100, 0.95), (7, 0.2)], [(5, 0.9), (50, 0.99)]).plain
    first, last = shown.splitlines()[1:15:13]
    assert first.count("●") == 0 and last.strip("│ ") == ""
    assert shown.count("●") == 2 + 1 and shown.count("·") == 1 + 1  # one of each in the legend
    assert "┘" in shown and "1 trials lie below" in shown
    assert shown.index("accuracy") == 0 and "kilobytes of learned arrays" in shown


def test_every_default_of_the_space_is_the_programs_own() -> None:
    """The first trial of a run is the program as it is."""
    assert {name: domain.default for name, domain in SPACE.items()} == vars(Settings())


def test_a_configuration_is_described_by_what_matters() -> None:
    """Each model names its own parameters, each preprocessing itself."""
    for model in MODELS:
        for preprocessing in PREPROCESSING:
            words = described({"model": model, "preprocessing": preprocessing, "examples": 77})
            assert model in words and "77 images" in words
            assert ("pca 16" in words) == (preprocessing == "pca")
    assert described({"model": "forest", "trees": 5}) == "forest (trees 5, depth 8), 600 images"


def _searched() -> Searched:
    members = [
        Member(3, 0.9, 5.125, 0.41, 0.2, 0.88, {"model": "logistic"}),
        Member(9, 0.98, 80.0, 0.9, 0.4, 0.97, {"model": "svc"}),
        Member(12, 0.98, 80.0, 0.9, 0.4, 0.97, {"model": "svc", "c": 2.0}),
    ]
    return Searched("r", [(5.125, 0.9), (80.0, 0.98), (100.0, 0.5)], 12.3, 240.5, members)


def test_the_result_has_its_keys() -> None:
    """Latencies in it are those measured alone; it is plain JSON."""
    kept = json.loads(json.dumps(result(_searched())))
    assert list(kept) == ["run_id", "seconds", "hypervolume", "trials", "front"]
    assert kept["trials"] == 3
    assert kept["front"][0] == {
        "accuracy": 0.9,
        "kilobytes": 5.125,
        "latency_ms": 0.2,
        "configuration": {"model": "logistic"},
    }


def test_the_front_is_shown_as_a_table_and_as_a_chart() -> None:
    """Both latencies, both accuracies and the hypervolume are there; equals share a row."""
    out = io.StringIO()
    show(_searched(), Console(file=out, width=140))
    for text in ("0.970", "80.0", "0.90", "0.40", "svc (c 1, gamma 0.05)", "1 more reach", "hypervolume 240.5", "●"):
        assert text in out.getvalue()
    assert out.getvalue().count("0.980") == 1


def test_progress_follows_trials_and_front() -> None:
    """Numbers that come and go are counted; a trial that is told twice is no error; the last event is returned."""
    changed = RunEvent.TYPE_FRONT_CHANGED
    events = [
        RunEvent(type=RunEvent.TYPE_TRIAL_STARTED, trial_number=1),
        RunEvent(type=RunEvent.TYPE_TRIAL_PROGRESSED, trial_number=1, finished_count=1, example_count=2),
        RunEvent(type=RunEvent.TYPE_TRIAL_COMPLETED, trial_number=1),
        RunEvent(type=changed, front_version=1, added_trial_numbers=[1]),
        RunEvent(type=changed, front_version=2, added_trial_numbers=[2, 3], removed_trial_numbers=[1]),
        RunEvent(type=RunEvent.TYPE_RUN_ENDED),
    ]
    front = FrontSoFar()
    assert follow(events, 1, Console(file=io.StringIO()), front) == events[-1]
    assert front.numbers == {2, 3}
    assert [front(e) for e in events[:1]] == [""]


def test_the_best_is_told_with_its_number() -> None:
    """Only a new best is news."""
    event = RunEvent(type=RunEvent.TYPE_BEST_CHANGED, trial_number=4, objectives={"exact_match": 0.5})
    assert best_so_far(event) == "best so far 0.500 (no. 4)"
    assert best_so_far(RunEvent()) == ""
