"""The second job through the gateway: code, two objectives, a front that the rows confirm, whatever happens."""

import os
import signal
from typing import Any

import psutil
import pytest
from ashgrove.areas import OptimizerArea
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetParetoFrontRequest
from ashgrove.values import to_plain

from tests.e2e.api import Api
from tests.e2e.conftest import Stack
from tests.e2e.digits import SLOW, Digits, area, brute_front, children
from tests.e2e.test_refusals import refused
from tests.e2e.waiting import until

ENDED = {"STATUS_COMPLETED", "STATUS_FAILED", "STATUS_CANCELLED"}


@pytest.fixture(scope="module")
def digits(admin: Api) -> Digits:
    """Images enough for a trial to last a moment."""
    return Digits(admin, validation=80)


@pytest.fixture(scope="module")
def slow(admin: Api) -> Digits:
    """A space in which every call takes long."""
    return Digits(admin, validation=20, space=SLOW)


@pytest.fixture(scope="module")
def run(digits: Digits) -> str:
    """A finished run of six trials, four at a time."""
    started = digits.start()["id"]
    digits.watch(started)
    return str(started)


def _events_until(setting: Digits, run: str, kind: str, count: int) -> None:
    seen = 0
    for frame in setting.api.stream("GET", f"/v1/optimizationRuns/{run}:watch"):
        seen += frame.get("item", {}).get("type") == kind
        if seen == count:
            return


def _rebuilt(story: list[Any]) -> set[int]:
    """Returns the trials on the front, as the changes told in a run's story leave them."""
    front: set[int] = set()
    changes = [e for e in story if e["type"] == "TYPE_FRONT_CHANGED"]
    for version, event in enumerate(changes, 1):
        assert int(event["front_version"]) == version
        removed, added = set(event["removed_trial_numbers"]), set(event["added_trial_numbers"])
        assert removed <= front and not added & front
        front = front - removed | added
    return front


def _front_is_what_the_rows_say(digits: Digits, run: str, story: list[Any]) -> Any:
    """Checks front, hypervolume and deltas of an ended run against its trials; returns the front."""
    front, expected = digits.front(run), brute_front(digits.trials(run))
    assert {p["trial_number"]: p["objectives"] for p in front["points"]} == expected
    assert front["hypervolume"] == pytest.approx(area(expected.values()), rel=1e-12)
    assert _rebuilt(story) == set(expected)
    return front


def _nothing_is_repeated(digits: Digits, run: str, story: list[Any], before: dict[str, Any]) -> None:
    """Checks that every trial started once, has each example once, and kept what was finished before."""
    assert [e["type"] for e in story].count("TYPE_TRIAL_STARTED") == len(digits.trials(run))
    after: dict[str, Any] = {}
    for trial in digits.trials(run):
        results = digits.results(trial)
        after |= {r["id"]: r for r in results}
        assert len({r["example_id"] for r in results}) == len(results)
        assert trial["status"] != "STATUS_COMPLETED" or len(results) == digits.validation
    assert {i: after[i] for i in before} == before


def _finished_so_far(digits: Digits, run: str) -> dict[str, Any]:
    started = [trial for trial in digits.trials(run) if digits.status(trial)]
    return {result["id"]: result for trial in started for result in digits.results(trial)}


def test_the_front_is_that_of_brute_force_over_rest_and_grpc_alike(digits: Digits, run: str) -> None:
    """Six trials of code; points, configurations and hypervolume are those of the trials, in both encodings."""
    final, trials = digits.api.get(f"/v1/optimizationRuns/{run}"), digits.trials(run)
    assert (final["status"], final["completed_trials"]) == ("STATUS_COMPLETED", 6)
    front = _front_is_what_the_rows_say(digits, run, digits.watch(run))
    assert (final["front_version"], final["hypervolume"]) == (front["version"], front["hypervolume"])
    by_number = {t["number"]: t for t in trials}
    for point in front["points"]:
        assert point["configuration"] == by_number[point["trial_number"]]["configuration"]
        assert point["trial_id"] == by_number[point["trial_number"]]["id"]
    with digits.api.channel() as channel:
        stub = OptimizerArea(channel)
        told = stub.GetParetoFront(GetParetoFrontRequest(id=run), metadata=digits.api.metadata, timeout=30)
    assert [p["objectives"] for p in to_plain(told)["points"]] == [p["objectives"] for p in front["points"]]
    assert told.hypervolume == front["hypervolume"]


def test_history_and_story_tell_the_same(digits: Digits, run: str) -> None:
    """Every change of the front is in the stream and in the history, and the hypervolume never shrinks."""
    changes = [e for e in digits.watch(run) if e["type"] == "TYPE_FRONT_CHANGED"]
    history = digits.front(run)["history"]
    assert [(h["version"], h["trial_number"]) for h in history] == [
        (e["front_version"], e["trial_number"]) for e in changes
    ]
    volumes = [h["hypervolume"] for h in history]
    assert volumes == sorted(volumes) == [e["hypervolume"] for e in changes]
    assert _rebuilt(digits.watch(run)) == {p["trial_number"] for p in digits.front(run)["points"]}


def test_the_same_configuration_measures_the_same(digits: Digits, run: str) -> None:
    """Kilobytes are deterministic, and so are the answers; latencies are those of the code alone."""
    trial = digits.trials(run)[0]
    body = {"dataset_id": digits.dataset, "split": "SPLIT_VALIDATION", "configuration": trial["configuration"]}
    body["metrics"] = ["exact_match", "kilobytes"]
    *_, last = digits.api.stream("POST", f"/v1/programs/{digits.program}:evaluate", body)
    assert last["evaluation"]["scores"] == trial["objectives"]
    assert 0 < last["evaluation"]["latency_p50_ms"] <= last["evaluation"]["latency_p95_ms"]


def test_what_is_registered_is_listed(digits: Digits) -> None:
    """The program and both metrics are there, without an error."""
    programs = digits.api.get("/v1/customPrograms")["custom_programs"]
    assert [p["error"] for p in programs if p["entry_point"] == "digits-classifier@1"] == [""]
    metrics = {m["name"]: m for m in digits.api.get("/v1/metrics")["metrics"]}
    assert metrics["kilobytes"]["direction"] == "DIRECTION_MINIMIZE"
    assert {"exact_match", "cost", "latency_ms"} <= {n for n, m in metrics.items() if m["built_in"]}


def test_bad_input_is_refused_with_its_field(digits: Digits) -> None:
    """Unregistered code, contradictory objectives and a run without a budget."""
    program = digits.api.get(f"/v1/programs/{digits.program}")
    program |= {"name": "unregistered", "program_config": {"entry_point": "nobody@1"}}
    refusal = refused(digits.api, "POST", "/v1/programs", program)
    assert (refusal.code, refusal.fields) == (400, {"program.program_config.entry_point"})
    start = {"program_id": digits.program, "variable_space_id": digits.space, "dataset_id": digits.dataset}
    start |= {"strategy": "STRATEGY_RANDOM", "max_trials": 1}
    for objectives in (
        [{"metric": "kilobytes", "direction": "DIRECTION_MAXIMIZE"}],
        [{"metric": "kilobytes"}, {"metric": "kilobytes"}],
        [{"metric": "exact_match", "threshold": 2}],
        [{"metric": "unheard_of"}],
    ):
        assert refused(digits.api, "POST", "/v1/optimizationRuns", start | {"objectives": objectives}).code == 400
    endless = start | {"objectives": [{"metric": "exact_match"}], "max_trials": 0}
    assert refused(digits.api, "POST", "/v1/optimizationRuns", endless).code == 400


def test_pause_and_resume_keep_what_is_finished(digits: Digits) -> None:
    """A paused run stands still with its results; resumed, it goes on to the front that its rows give."""
    run = digits.start()["id"]
    _events_until(digits, run, "TYPE_TRIAL_COMPLETED", 2)
    assert digits.api.post(f"/v1/optimizationRuns/{run}:pause", {})["status"] == "STATUS_PAUSED"
    until(lambda: _evaluations_rest(digits, run))
    before = _finished_so_far(digits, run)
    paused = digits.api.get(f"/v1/optimizationRuns/{run}")
    assert (paused["status"], paused["error"]) == ("STATUS_PAUSED", "")
    digits.api.post(f"/v1/optimizationRuns/{run}:resume", {})
    story = digits.watch(run)
    assert {"TYPE_RUN_PAUSED", "TYPE_RUN_RESUMED"} <= {e["type"] for e in story}
    assert digits.api.get(f"/v1/optimizationRuns/{run}")["completed_trials"] == 6
    _front_is_what_the_rows_say(digits, run, story)
    _nothing_is_repeated(digits, run, story, before)


def _evaluations_rest(setting: Digits, run: str) -> bool:
    states = {setting.status(trial) for trial in setting.trials(run)}
    return not states & {"WORK_STATUS_RUNNING", "WORK_STATUS_PENDING"}


def _gone(pids: set[int]) -> bool:
    return not any(psutil.pid_exists(pid) for pid in pids)


def test_pause_resume_and_cancel_are_effective_in_the_middle_of_a_call(stack: Stack, slow: Digits) -> None:
    """Nobody waits for a call to return: its process ends, and the run stands, goes on or ends at once."""
    idle = children(stack)
    # One objective only, so that no child that waits for the other tests' code can take this.
    run = slow.start(max_trials=2, parallelism=2, objectives=[{"metric": "exact_match"}])["id"]
    _events_until(slow, run, "TYPE_TRIAL_STARTED", 2)
    busy = until(lambda: children(stack) - idle)
    assert slow.api.post(f"/v1/optimizationRuns/{run}:pause", {})["status"] == "STATUS_PAUSED"
    until(lambda: _gone(busy))
    assert _evaluations_rest(slow, run)
    idle = children(stack)
    slow.api.post(f"/v1/optimizationRuns/{run}:resume", {})
    again = until(lambda: children(stack) - idle)
    slow.api.post(f"/v1/optimizationRuns/{run}:cancel", {})
    story = slow.watch(run)
    assert story[-1]["status"] == "STATUS_CANCELLED"
    until(lambda: _gone(again))
    assert slow.api.post(f"/v1/optimizationRuns/{run}:cancel", {})["status"] == "STATUS_CANCELLED"
    assert slow.front(run)["points"] == []


@pytest.mark.parametrize("victims", [["child"], ["program", "valkey", "envoy"], ["postgres", "optimizer-worker"]])
def test_deaths_in_mid_run_cost_nothing_finished(stack: Stack, digits: Digits, victims: list[str]) -> None:
    """Same front as the rows say, nothing finished is repeated; only a killed call of code may fail its own trial."""
    run = digits.start()["id"]
    _events_until(digits, run, "TYPE_TRIAL_COMPLETED", 2)
    before = _finished_so_far(digits, run)
    for victim in victims:
        pid = until(lambda: children(stack)).pop() if victim == "child" else stack.pid(victim)
        os.kill(pid, signal.SIGKILL)
    until(lambda: _ended(digits, run))
    story = until(lambda: _story(digits, run))
    trials = digits.trials(run)
    failed = [t for t in trials if t["status"] != "STATUS_COMPLETED"]
    assert len(trials) == 6
    assert len(failed) <= ("child" in victims)
    assert {t["error_class"] for t in failed} <= {"ERROR_CLASS_CRASH"}
    _front_is_what_the_rows_say(digits, run, story)
    _nothing_is_repeated(digits, run, story, before)


def _ended(digits: Digits, run: str) -> bool:
    try:
        return digits.api.get(f"/v1/optimizationRuns/{run}")["status"] in ENDED
    except Exception as error:  # a service that was killed answers again in a moment
        assert getattr(error, "code", 503) in (503, 504), error
        return False


def _story(digits: Digits, run: str) -> list[Any]:
    story = digits.watch(run)
    assert [int(e["sequence"]) for e in story] == list(range(1, len(story) + 1))
    return story
