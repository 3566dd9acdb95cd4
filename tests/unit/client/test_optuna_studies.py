"""Studies of Optuna as they are read: every state, what was on the way, what else is known, and what cannot be read."""

import math
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from ashgrove.optimizer.v1.trial_pb2 import Trial
from ashgrove.optuna_studies import Study, read_study
from optuna.trial import TrialState

from framework.plain import plain_struct

X, N = optuna.distributions.FloatDistribution(0, 1), optuna.distributions.IntDistribution(1, 8)
NAMES = {"x": "x", "n": "n", "kind of": "kind_of"}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a storage with one study, whose trials are in all five states, and define-by-run."""
    path = tmp_path_factory.mktemp("optuna") / "study.db"
    url = f"sqlite:///{path}"
    study = optuna.create_study(storage=url, study_name="old", direction="minimize")
    whole = study.ask({"x": X})
    whole.suggest_categorical("kind of", ["a", None, 3])
    whole.report(0.9, 1)
    whole.report(math.inf, 2)
    whole.set_user_attr("by", "hand")
    whole.set_constraint("size", 2.5)
    whole.set_constraint("weight", -1.0)
    study.tell(whole, 0.25)
    pruned = study.ask({"x": X})
    pruned.report(0.7, 3)
    study.tell(pruned, state=TrialState.PRUNED)
    study.tell(study.ask({"x": X}), state=TrialState.FAIL)
    study.ask({"x": X, "n": N})
    study.enqueue_trial({"x": 0.5})
    return path


@pytest.fixture
def storage(once: Path, tmp_path: Path) -> str:
    """A copy of it, to be changed."""
    return f"sqlite:///{shutil.copy(once, tmp_path / 'study.db')}"


def read(storage: str) -> tuple[Study, list[Any]]:
    study = read_study(storage, "old")
    return study, [study.imported(each, NAMES) for each in study.trials]


def test_numbers_states_and_values_are_kept(storage: str) -> None:
    """From 1; what has not ended is running, and what was enqueued has the values that were wanted."""
    study, made = read(storage)
    assert [each.number for each in made] == [1, 2, 3, 4, 5]
    assert [each.status for each in made] == [
        Trial.STATUS_COMPLETED,
        Trial.STATUS_DROPPED,
        Trial.STATUS_FAILED,
        Trial.STATUS_RUNNING,
        Trial.STATUS_RUNNING,
    ]
    assert [dict(each.objectives) for each in made] == [
        {"value": 0.25, "size": 2.5, "weight": -1.0},
        *({}, {}, {}, {}),
    ]
    assert set(plain_struct(made[0].configuration)) == {"x", "kind_of"} and made[2].error
    assert plain_struct(made[4].configuration) == {"x": 0.5}
    assert [(each.metric, each.direction, each.threshold, each.only_bounds) for each in study.objectives] == [
        ("value", "minimize", None, False),
        ("size", "minimize", 0.0, True),
        ("weight", "minimize", 0.0, True),
    ]


def test_what_else_is_known_is_kept(storage: str) -> None:
    """Values on the way but for infinities, attributes, constraints, the state's own name, times in UTC."""
    study, made = read(storage)
    assert [(each.step, dict(each.values)) for each in made[0].measurements] == [(1, {"value": 0.9})]
    known = plain_struct(made[0].attributes)
    assert known["user"] == {"by": "hand"} and known["constraints"] == {"size": 2.5, "weight": -1}
    assert [plain_struct(each.attributes)["optuna"]["state"] for each in made] == [
        *("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
    ]
    began = study.trials[0].datetime_start
    assert (
        made[0].started_at.ToDatetime()
        == began.astimezone(tz=None).replace(tzinfo=None) - began.astimezone().utcoffset()
    )
    assert made[0].HasField("completed_at") and not made[3].HasField("completed_at")


def test_parameters_are_as_wide_as_any_trial_had_them(storage: str) -> None:
    study = optuna.load_study(study_name="old", storage=storage)
    study.tell(study.ask({"x": optuna.distributions.FloatDistribution(-2, 0.5)}), 1)
    study.tell(study.ask({"only": optuna.distributions.FloatDistribution(3, 3)}), 1)
    found = {each["name"]: each["distribution"]["attributes"] for each in read_study(storage, "old").parameters}
    assert (found["x"]["low"], found["x"]["high"]) == (-2, 1)
    assert found["kind of"]["choices"] == ["a", None, 3] and found["only"]["choices"] == [3]


def test_a_value_that_is_no_number_is_a_failure(storage: str) -> None:
    study = optuna.load_study(study_name="old", storage=storage)
    study.tell(study.ask({"x": X}), math.inf)
    last = read(storage)[1][-1]
    assert last.status == Trial.STATUS_FAILED and "inf" in last.error


@pytest.mark.parametrize(
    ("url", "name", "says"),
    [
        ("sqlite:////nowhere/at.db", "old", "no file"),
        ("{storage}", "new", "it has bare, old"),
        ("{storage}", "bare", "no trial of the study has a parameter"),
        ("no url", "old", "cannot be read"),
        ("sqlite:///{other}", "old", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(storage: str, tmp_path: Path, url: str, name: str, says: str) -> None:
    """And nothing is made of it: no file, no table."""
    optuna.create_study(storage=storage, study_name="bare")
    other = tmp_path / "other.db"
    other.write_bytes(b"")
    with pytest.raises(ValueError, match=says):
        read_study(url.format(storage=storage, other=other), name)
    assert not other.read_bytes() and not Path("no url").exists()


def test_constraints_that_a_run_cannot_have_are_only_kept(storage: str) -> None:
    """A complete trial without them has no violation that could be told; the reason is said."""
    study = optuna.load_study(study_name="old", storage=storage)
    study.tell(study.ask({"x": X}), 0.75)
    found, made = read(storage)
    assert [each.metric for each in found.objectives] == ["value"] and "trial 4" in found.unconstrained
    assert [dict(each.objectives) for each in made] == [{"value": 0.25}, {"value": 0.7}, {}, {}, {"value": 0.75}]
    assert plain_struct(made[0].attributes)["constraints"] == {"size": 2.5, "weight": -1}


def test_constraints_of_older_versions_have_names(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="old", directions=["minimize", "maximize"])
    trial = study.ask({"x": X})
    study._storage.set_trial_system_attr(trial._trial_id, "constraints", [0.5, -2.0])
    study.tell(trial, [1, 2])
    found, made = read(url)
    assert dict(made[0].objectives) == {"value_0": 1, "value_1": 2, "constraint_0": 0.5, "constraint_1": -2}
    assert not found.unconstrained
