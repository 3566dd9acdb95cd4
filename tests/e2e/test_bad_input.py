"""What callers of runs and programs get wrong: each is refused with its field and the remedy, over gRPC and REST alike.

docs/bad-input.md lists all of it with the answer; models that misbehave are asked in `test_misbehaving_models`.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.api import Api, Refused, Setting, unique
from tests.e2e.both_ways import Asked, refused_alike
from tests.e2e.test_refusals import refused
from tests.e2e.waiting import until

RUNS, PROGRAMS, CONNECTORS = "/v1/optimizationRuns", "/v1/programs", "/v1/connectors"
RUN = {"program_id": "{program}", "variable_space_id": "{space}", "dataset_id": "{dataset}"}
RUN |= {"strategy": "STRATEGY_RANDOM", "objectives": [{"metric": "exact_match"}], "max_trials": 2}
EXTERNAL = {"variable_space_id": "{space}", "evaluator": "EVALUATOR_EXTERNAL", "strategy": "STRATEGY_RANDOM"}
EXTERNAL |= {"objectives": [{"metric": "gain", "direction": "DIRECTION_MAXIMIZE", "low": 0, "high": 1}]}
SHAPE = {"inputs": [{"name": "text"}], "outputs": [{"name": "language"}]}


@dataclass(frozen=True)
class Bad:
    """A request that is wrong: the reason it is refused for, the fields that are named, and words of the remedy."""

    asked: Asked
    reason: str
    fields: set[str]
    words: str


def started(**changes: Any) -> Asked:
    """A run that shall start."""
    body: dict[str, Any] = RUN | changes
    return Asked("CreateOptimizationRun", {"optimization_run": body}, "POST", RUNS, body)


def told(number: int, gain: Any, client: str = "a") -> Asked:
    """What a client says of its trial."""
    body = {"client": client, "completions": [{"number": number, "objectives": {"gain": gain}}]}
    path = f"{RUNS}/{{external}}:completeTrials"
    return Asked("CompleteTrials", {"id": "{external}", **body}, "POST", path, body)


def asked_for(count: int, run: str = "{external}") -> Asked:
    """Suggestions that a client wants."""
    body = {"client": "late", "count": count}
    return Asked("SuggestTrials", {"id": run, **body}, "POST", f"{RUNS}/{run}:suggestTrials", body)


def executed(program: str, **inputs: Any) -> Asked:
    """One execution."""
    body = {"inputs": inputs}
    path = f"{PROGRAMS}/{program}:execute"
    return Asked("ExecuteProgram", {"program_id": program, **body}, "POST", path, body)


def written(**changes: Any) -> Asked:
    """A new program."""
    body = {"name": "bad", "type": "TYPE_PREDICT", "signature_config": SHAPE, **changes}
    return Asked("CreateProgram", {"program": body}, "POST", PROGRAMS, body)


def connected(**changes: Any) -> Asked:
    """A new connector."""
    body = {"name": "bad", "provider": "openai", "base_url": "https://models.example/v1", "model": "m", **changes}
    return Asked("CreateConnector", {"connector": body}, "POST", CONNECTORS, body)


SLOTS = [{"name": "main", "demonstrations": [{"inputs": {"txt": "a", "text": "b"}, "outputs": {"language": "sv"}}]}]
OF_RUN, OF_PROGRAM = "optimization_run.", "program.program_config."
BAD = {
    "an objective that nobody knows": Bad(
        started(objectives=[{"metric": "accuracy"}]), "INVALID_FIELD", {OF_RUN + "objectives[0].metric"}, "there are "
    ),
    "an objective that contradicts its metric": Bad(
        started(objectives=[{"metric": "cost", "direction": "DIRECTION_MAXIMIZE"}]),
        "INVALID_FIELD",
        {OF_RUN + "objectives[0].direction"},
        "which is one to minimize",
    ),
    "one metric made better twice": Bad(
        started(objectives=[{"metric": "cost"}, {"metric": "cost"}]),
        "INVALID_FIELD",
        {OF_RUN + "objectives[1].metric"},
        "a metric of its own",
    ),
    "no budget": Bad(started(max_trials=0), "INVALID_FIELD", {OF_RUN + "max_trials"}, "greater than or equal to 1"),
    "a dataset smaller than a rung": Bad(
        started(racing={"first_rung": 100}),
        "INVALID_FIELD",
        {OF_RUN + "racing.first_rung"},
        "lower it, or add examples",
    ),
    "a score that is no number": Bad(
        told(1, "NaN"), "INVALID_FIELD", {"completions[0].objectives.gain"}, "must be a finite number"
    ),
    "a score out of range": Bad(told(1, 1.5), "INVALID_FIELD", {"completions[0].objectives.gain"}, "range, 0 to 1"),
    "a trial that nobody was given": Bad(
        told(99, 0.5), "INVALID_FIELD", {"completions[0].number"}, "it has trials 1 to 4"
    ),
    "an expired lease": Bad(told(4, 0.5, "slow"), "LEASE_LOST", set(), "RenewTrials"),
    "a foreign lease": Bad(told(3, 0.5, "a"), "LEASE_LOST", set(), "trial 3"),
    "a trial told twice, otherwise": Bad(told(2, 0.6, "done"), "ILLEGAL_STATE", set(), "cannot be changed"),
    "ten thousand suggestions": Bad(asked_for(10_000), "INVALID_FIELD", {"count"}, "100"),
    "more than may be out at once": Bad(asked_for(1, "{full}"), "LIMIT_REACHED", set(), "when their leases end"),
    "inputs that miss the signature": Bad(
        executed("{program}", words="x"), "INVALID_FIELD", {"inputs.text", "inputs.words"}, "text"
    ),
    "a demonstration of unknown fields": Bad(
        written(program_config={"slots": SLOTS}),
        "INVALID_FIELD",
        {OF_PROGRAM + "slots[0].demonstrations[0].inputs.txt"},
        "text",
    ),
    "a secret of somebody else": Bad(
        connected(secret="secret://others/key"), "INVALID_FIELD", {"connector.secret"}, "operator"
    ),
    "a variable of the environment as a secret": Bad(
        connected(secret="env:PATH"), "INVALID_FIELD", {"connector.secret"}, "secret://"
    ),
    "the address of the metadata service": Bad(
        connected(base_url="https://169.254.169.254/v1"), "INVALID_FIELD", {"connector.base_url"}, "address"
    ),
    "an archived program executed": Bad(
        executed("{archived}", text="x"), "ILLEGAL_STATE", set(), "legal: UnarchiveProgram"
    ),
}


@pytest.fixture(scope="module")
def setting(admin: Api) -> Setting:
    """A program, a space and a small dataset."""
    return Setting(admin, validation=8)


@pytest.fixture(scope="module")
def existing(setting: Setting) -> dict[str, str]:
    """An external run with a trial that is held, one whose lease has ended, another's and one told; a full one."""
    api = setting.api
    archived = api.post(PROGRAMS, {"name": unique("archived"), "type": "TYPE_PREDICT", "signature_config": SHAPE})["id"]
    api.post(f"{PROGRAMS}/{archived}:archive", {})
    body = EXTERNAL | {"variable_space_id": setting.space}
    external, full = (api.post(RUNS, body | {"max_trials": most})["id"] for most in (20, 2000))
    for client, seconds in (("a", 600), ("done", 600), ("b", 600), ("slow", 1)):
        api.post(f"{RUNS}/{external}:suggestTrials", {"client": client, "lease_seconds": seconds})
    api.post(f"{RUNS}/{external}:completeTrials", told(2, 0.5, "done").body)
    for number in range(10):  # whoever did this has vanished
        api.post(f"{RUNS}/{full}:suggestTrials", {"client": f"gone {number}", "count": 100, "lease_seconds": 3600})
    time.sleep(1.1)  # longer than the slow one has its trial
    names = {"program": setting.program, "space": setting.space, "dataset": setting.dataset}
    return names | {"external": external, "full": full, "archived": archived}


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_with_field_and_remedy(name: str, setting: Setting, existing: dict[str, str]) -> None:
    """Whichever way it was asked, and however often: nothing was done."""
    bad = BAD[name]
    refusal = refused_alike(setting.api, bad.asked.filled(**existing))
    assert (refusal.reason, refusal.fields) == (bad.reason, bad.fields)
    assert bad.words in refusal.text


def status_of(api: Api, run: str, *wanted: str) -> Any:
    """Returns a run once it stands so."""
    return until(lambda: (found := api.get(f"{RUNS}/{run}"))["status"] in wanted and found)


def test_a_space_without_points_is_refused_or_fails_its_run_with_the_constraint_in_the_way(setting: Setting) -> None:
    """Refused where it is proven, by variable or constraint; else no trial is made up, and the run says why."""
    body: dict[str, Any] = {"name": unique("nowhere"), "variables": [{"name": "k", "integer": {"low": 3, "high": 2}}]}
    assert "variables[0]" in str(refused(setting.api, "POST", "/v1/variableSpaces", body).fields)
    body["variables"] = [{"name": "heat", "float": {"low": 0, "high": 1}}]
    never = body | {"constraints": [{"id": "beyond", "expression": "heat > 2.0"}]}
    refusal = refused(setting.api, "POST", "/v1/variableSpaces", never)
    assert refusal.fields == {"variable_space.constraints"} and "beyond can never hold" in refusal.text
    hardly = body | {"constraints": [{"id": "exact", "expression": "heat * heat == 0.123456789"}]}
    space = setting.api.post("/v1/variableSpaces", hardly)["id"]
    run = setting.start(strategy="STRATEGY_RANDOM", variable_space_id=space)["id"]
    failed = status_of(setting.api, run, "STATUS_FAILED")
    assert "break exact" in failed["error"] and not setting.api.get(f"{RUNS}/{run}/trials").get("trials")


def test_an_ended_run_that_is_cancelled_stays_as_it_is(setting: Setting) -> None:
    """However often."""
    run = setting.start(strategy="STRATEGY_RANDOM", max_trials=1)["id"]
    ended = status_of(setting.api, run, "STATUS_COMPLETED")
    for _ in range(2):
        assert setting.api.post(f"{RUNS}/{run}:cancel", {}) == ended


def test_a_program_archived_in_mid_run_pauses_the_run_until_it_is_back(admin: Api) -> None:
    """No trial fails for it, and the run says what may be done; an archived space is pinned and no hindrance."""
    setting = Setting(admin, validation=8)
    run = setting.start(max_trials=400, parallelism=1)["id"]
    admin.post(f"/v1/variableSpaces/{setting.space}:archive", {})
    admin.post(f"{PROGRAMS}/{setting.program}:archive", {})
    paused = status_of(admin, run, "STATUS_PAUSED")
    assert "unarchive it and resume" in paused["error"] and paused["failed_trials"] == 0
    admin.post(f"{PROGRAMS}/{setting.program}:unarchive", {})
    assert admin.post(f"{RUNS}/{run}:resume", {})["error"] == ""
    admin.post(f"{RUNS}/{run}:cancel", {})
    assert status_of(admin, run, "STATUS_CANCELLED")["failed_trials"] == 0


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(setting: Setting) -> None:
    """Not both, one after the other: the second would silently undo the first."""
    run = setting.start(strategy="STRATEGY_SOBOL", max_trials=2)["id"]
    status_of(setting.api, run, "STATUS_COMPLETED")
    trials = setting.api.get(f"{RUNS}/{run}/trials?order_by=number")["trials"]

    def promoted(trial: Any) -> Any:
        try:
            return setting.api.post(f"{RUNS}/{run}:promote", {"trial_id": trial["id"]})
        except Refused as refusal:
            return refusal

    with ThreadPoolExecutor() as both:
        ends = list(both.map(promoted, trials))
    (lost,) = [each for each in ends if isinstance(each, Refused)]
    (won,) = [each for each in ends if not isinstance(each, Refused)]
    assert (lost.code, lost.reason) == (409, "STALE_ETAG") and won["program_revision"] == "2"


ROWS = {
    "a byte order mark is skipped": (b"\xef\xbb\xbftext,language\nhej,sv\n", set()),
    "ragged rows": (b"text,language\nhej\nhi,en,x\n", {"rows[1]", "rows[2]"}),
    "a cell of two megabytes": (b"text,language\n" + b"x" * 2_000_000 + b",sv\n", {"rows[1]"}),
    "columns that are none": (b"text,language,colour\nhej,sv,red\n", {"rows[1].colour"}),
    "mixed types": (b'{"text": "hej", "language": "sv"}\n{"text": 3, "language": "sv"}\n', {"rows[2].text"}),
    "a number beyond all doubles": (
        b'{"text": "hej", "language": "sv"}\n{"text": 1e999, "language": "sv"}\n',
        {"rows[2].text"},
    ),
    "another encoding": ("text,language\nhej,sv\n".encode("utf-16"), {"body"}),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_file_is_refused_row_by_row_and_whole(name: str, admin: Api) -> None:
    """All faults at once, and nothing of the file is kept."""
    data, fields = ROWS[name]
    shape = {"input_fields": SHAPE["inputs"], "output_fields": SHAPE["outputs"]}
    dataset = admin.post("/v1/datasets", {"name": unique("file"), **shape})["id"]
    kind = "JSONL" if data.startswith(b"{") else "CSV"
    path = f"/v1/datasets/{dataset}/examples:upload?format=EXAMPLE_FORMAT_{kind}"
    if not fields:
        assert admin.post(path, data)["added_count"] == "1"
        return
    refusal = refused(admin, "POST", path, data)
    assert (refusal.code, refusal.reason, refusal.fields) == (400, "INVALID_FIELD", fields)
    assert admin.get(f"/v1/datasets/{dataset}")["revision"] == "1"
