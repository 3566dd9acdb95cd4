"""The main job through the gateway: one run, its story, its best configuration, its audit trail."""

from typing import Any

import pytest
from ashgrove.areas import OptimizerArea
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunRequest

from tests.e2e.api import Api, Setting
from tests.e2e.waiting import until


@pytest.fixture(scope="module")
def setting(admin: Api) -> Setting:
    """A program, a space and a dataset."""
    return Setting(admin)


@pytest.fixture(scope="module")
def run(setting: Setting) -> str:
    """A finished run."""
    started = setting.start()
    assert started["status"] == "STATUS_PENDING"
    setting.watch(started["id"])
    return str(started["id"])


def test_the_story_is_gap_free_and_replays_from_anywhere(setting: Setting, run: str) -> None:
    """Numbers go from 1 without gaps; a replay after n is the story's rest, over REST and over gRPC alike."""
    story = setting.watch(run)
    assert [int(e["sequence"]) for e in story] == list(range(1, len(story) + 1))
    assert story[0]["type"] == "TYPE_RUN_CREATED"
    assert story[-1]["type"] == "TYPE_RUN_ENDED"
    assert setting.watch(run, after=5) == story[5:]
    with setting.api.channel() as channel:
        request = WatchOptimizationRunRequest(id=run, from_sequence=5)
        stream = OptimizerArea(channel).WatchOptimizationRun(request, metadata=setting.api.metadata, timeout=60)
        assert [f.item.sequence for f in stream if f.WhichOneof("frame") == "item"] == list(range(6, len(story) + 1))


def test_every_trial_is_complete_and_the_best_is_the_best(setting: Setting, run: str) -> None:
    """The best configuration is that of the trial with the highest score, and beats the default."""
    trials = setting.api.get(f"/v1/optimizationRuns/{run}/trials?order_by=number")["trials"]
    assert [t["status"] for t in trials] == ["STATUS_COMPLETED"] * 6
    scores = [t["objectives"]["exact_match"] for t in trials]
    best = setting.api.get(f"/v1/optimizationRuns/{run}/bestConfiguration")
    assert best["objectives"]["exact_match"] == max(scores) > scores[0]
    assert trials[0]["configuration"]["demonstration_count"] == 0
    final = setting.api.get(f"/v1/optimizationRuns/{run}")
    assert (final["status"], final["completed_trials"]) == ("STATUS_COMPLETED", 6)


def test_each_suggestion_stores_what_informed_it(setting: Setting, run: str) -> None:
    """Finished and pending trials, sampler and seed are on record."""
    trials = setting.api.get(f"/v1/optimizationRuns/{run}/trials?order_by=number")["trials"]
    last = trials[-1]
    informed = [t["number"] for t in trials if t["finish_number"] <= last["informed_count"]]
    assert sorted(informed + last["pending_then"]) == list(range(1, 6))
    assert "optuna" in last["sampler_version"]
    assert len({t["seed"] for t in trials}) == 6


def test_the_audit_trail_tells_it_and_its_chain_holds(setting: Setting, run: str) -> None:
    """Creation by the user and the end by the service are entries of a chain that verifies."""

    def told() -> list[Any]:
        entries = setting.api.get(f'/v1/auditEntries?filter=resource_id%20%3D%20"{run}"')["audit_entries"]
        return entries if any(e["data"].get("status") == "STATUS_COMPLETED" for e in entries) else []

    entries = until(told)
    assert {"optimization_run.created", "optimization_run.updated"} <= {e["type"] for e in entries}
    created = next(e for e in entries if e["type"] == "optimization_run.created")
    assert created["actor"]["kind"] == "KIND_USER"
    verdict = setting.api.post("/v1/auditEntries:verify", {})
    assert verdict["valid"] and int(verdict["verified_count"]) >= len(entries)


def test_a_program_is_executed_once(setting: Setting) -> None:
    """Execute answers with the outputs, the tokens and the revision that ran."""
    body = {"inputs": {"text": "Norge och Sverige"}, "dataset_id": setting.dataset}
    configuration = {"demonstration_count": 32, "demonstration_selection": "balanced"}
    done = setting.api.post(f"/v1/programs/{setting.program}:execute", body | {"configuration": configuration})
    assert done["status"] == "WORK_STATUS_COMPLETED"
    assert done["outputs"]["language"]
    assert int(done["input_tokens"]) > 0 and int(done["program_revision"]) == 1


def test_a_synchronous_run_repeats_itself(setting: Setting) -> None:
    """With a barrier per batch, suggestions depend on seed and results only."""
    runs = [setting.start(schedule="SCHEDULE_SYNCHRONOUS", max_trials=4, seed=7)["id"] for _ in range(2)]
    for one in runs:
        setting.watch(one)
    trials = [setting.api.get(f"/v1/optimizationRuns/{r}/trials?order_by=number")["trials"] for r in runs]
    assert [t["configuration"] for t in trials[0]] == [t["configuration"] for t in trials[1]]


def test_two_objectives_each_with_its_direction(setting: Setting) -> None:
    """Accuracy up and cost down: both are on every trial."""
    objectives = [{"metric": "exact_match"}, {"metric": "cost", "direction": "DIRECTION_MINIMIZE"}]
    run = setting.start(objectives=objectives, max_trials=3)["id"]
    setting.watch(run)
    trials = setting.api.get(f"/v1/optimizationRuns/{run}/trials")["trials"]
    assert all(set(t["objectives"]) == {"exact_match", "cost"} for t in trials)
