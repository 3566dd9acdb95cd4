"""What is lost when a run is stopped in its middle, or may act for nobody any more: nothing that is finished."""

import time
import uuid
from typing import Any

import pytest

from tests.e2e.api import Api, Setting
from tests.e2e.waiting import until


@pytest.fixture(scope="module")
def setting(admin: Api) -> Setting:
    """Enough examples for a trial to last."""
    return Setting(admin, validation=150)


def _events_until(setting: Setting, run: str, kind: str, count: int) -> None:
    seen = 0
    for frame in setting.api.stream("GET", f"/v1/optimizationRuns/{run}:watch"):
        seen += frame.get("item", {}).get("type") == kind
        if seen == count:
            return


def _story(setting: Setting, run: str) -> list[Any]:
    story = setting.watch(run)
    assert [int(e["sequence"]) for e in story] == list(range(1, len(story) + 1))
    return story


def test_cancel_is_effective_and_keeps_what_is_finished(setting: Setting) -> None:
    """A cancelled run ends by itself with its finished trials; cancelling again changes nothing."""
    run = setting.start(max_trials=100)["id"]
    _events_until(setting, run, "TYPE_TRIAL_COMPLETED", 2)
    assert setting.api.post(f"/v1/optimizationRuns/{run}:cancel", {})["status"] == "STATUS_CANCELLING"
    story = _story(setting, run)
    assert story[-1]["status"] == "STATUS_CANCELLED"
    final = setting.api.post(f"/v1/optimizationRuns/{run}:cancel", {})
    assert final["status"] == "STATUS_CANCELLED"
    assert final["completed_trials"] >= 2
    states = {t["status"] for t in setting.api.get(f"/v1/optimizationRuns/{run}/trials")["trials"]}
    assert states <= {"STATUS_COMPLETED", "STATUS_CANCELLED"}


def test_a_run_whose_user_is_deactivated_pauses(admin: Api) -> None:
    """The grant is checked at each exchange: work in a user's name ends with the user, and its results stay."""
    email = f"{uuid.uuid4().hex}@leaver.test"
    user = admin.post("/v1/users", {"email": email, "role": "ROLE_USER"})
    secret = admin.post("/v1/apiKeys", {"api_key": {"name": "k", "user_id": user["id"]}})["secret"]
    theirs = Setting(Api(admin.port, secret), validation=150)
    run = theirs.start(max_trials=1000, strategy="STRATEGY_RANDOM")["id"]
    _events_until(theirs, run, "TYPE_TRIAL_COMPLETED", 1)
    admin.call("PATCH", f"/v1/users/{user['id']}?update_mask=deactivated", {"deactivated": True})
    now = until(lambda: (found := admin.get(f"/v1/optimizationRuns/{run}"))["status"] != "STATUS_RUNNING" and found)
    assert now["status"] == "STATUS_PAUSED"
    assert "inactive" in now["error"]
    assert now["completed_trials"] >= 1


def test_a_run_outlives_many_tokens(setting: Setting) -> None:
    """Identity tokens hold for two seconds here, and seven with what clocks may differ; a run outlasts both."""
    run = setting.start(max_trials=1000, strategy="STRATEGY_RANDOM")["id"]
    gone = time.monotonic() + 8
    for frame in setting.api.stream("GET", f"/v1/optimizationRuns/{run}:watch"):
        if time.monotonic() > gone and frame.get("item", {}).get("type") == "TYPE_TRIAL_COMPLETED":
            break
    now = setting.api.get(f"/v1/optimizationRuns/{run}")
    setting.api.post(f"/v1/optimizationRuns/{run}:cancel", {})
    assert now["status"] == "STATUS_RUNNING"
    assert now["failed_trials"] == 0 and now["completed_trials"] > 0
