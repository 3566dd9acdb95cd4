"""Studies of Optuna become runs: what real storages keep of trials is there, and the run goes on from it."""

import asyncio
import math
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import psycopg
import pytest
from ashgrove.client import Client
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.optuna_studies import import_study
from optuna.trial import TrialState

from framework.identifiers import new_id
from framework.structs import values_of
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_external_clients import Run, client_of, gateway

Trial = trial_pb2.Trial
STATES = [Trial.STATUS_COMPLETED, Trial.STATUS_DROPPED, Trial.STATUS_FAILED, Trial.STATUS_RUNNING]


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty storage of each relational kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    url, name = request.getfixturevalue("postgres_url"), f"studies_{new_id().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        info = connection.info
        return f"postgresql+psycopg://{info.user}:{quote(info.password)}@{info.host}:{info.port}/{name}"


def studied(storage: str) -> optuna.Study:
    """Returns a study that was searched by Optuna under a constraint, with trials in all five states."""
    study = optuna.create_study(storage=storage, study_name="old", direction="maximize")
    for n in range(12):
        trial = study.ask()
        rate, layers = trial.suggest_float("learning rate", 0.001, 1, log=True), trial.suggest_int("n", 1, 4)
        trial.report(rate, 1)
        trial.report(math.inf if n == 0 else rate * 2, 7)
        trial.set_user_attr("by", "hand")
        trial.set_constraint("size", layers - 2.5)
        study.tell(trial, rate + layers)
    pruned = study.ask({"n": optuna.distributions.IntDistribution(1, 4)})
    pruned.report(0.7, 3)
    study.tell(pruned, state=TrialState.PRUNED)
    study.tell(study.ask({"n": optuna.distributions.IntDistribution(1, 4)}), state=TrialState.FAIL)
    study.ask({"n": optuna.distributions.IntDistribution(1, 4)})
    study.enqueue_trial({"n": 3})
    return study


async def test_what_a_study_has_is_there_and_the_run_goes_on(around: Neighbourhood, storage: str) -> None:
    """Numbers, all five states, values on the way, attributes, constraints, times; names that cannot be are others."""
    owner, study = await around.person(), await asyncio.to_thread(studied, storage)

    def works(address: str) -> tuple[Run, list[Trial], pb.GetTrialReportsResponse, list[Any]]:
        with client_of(around, owner, address) as client:
            run = import_study(client, storage, "old")
            with pytest.raises(ValueError, match="the study has 16 trials"):
                import_study(client, storage, "old", max_trials=5)
            made = list(client.runs.trials(run.id))
            return run, made, client.runs.reports(made[1].id), _gone_on(client, run)

    async with gateway(around) as address:
        run, made, reports, numbers = await asyncio.to_thread(works, address)
    _check_trials(study, made)
    assert [(each.step, dict(each.values)) for each in reports.measurements] == [
        (1, {"value": pytest.approx(study.trials[1].intermediate_values[1])}),
        (7, {"value": pytest.approx(study.trials[1].intermediate_values[7])}),
    ]
    assert (run.name, run.completed_trials, run.dropped_trials, run.failed_trials) == ("old", 12, 1, 1)
    assert run.best_objectives["value"] == study.best_value and run.best_objectives["size"] <= 0
    assert run.max_trials == 116 and numbers == [15, 16, 17]


def _check_trials(study: optuna.Study, made: list[Trial]) -> None:
    assert [each.number for each in made] == [each.number + 1 for each in study.trials]
    assert [each.status for each in made] == [*[STATES[0]] * 12, *STATES[1:], STATES[3]]
    for trial, old in zip(made, study.trials, strict=True):
        known = values_of(trial.attributes)
        assert known["optuna"] == {"number": old.number, "state": old.state.name}
        assert known.get("constraints", {}) == old.constraints and known.get("user", {}) == old.user_attrs
        for when, moment in (("created_at", old.datetime_start), ("completed_at", old.datetime_complete)):
            if moment is not None:
                assert getattr(trial, when).ToDatetime(tzinfo=UTC) == moment.astimezone(UTC)
        if old.state == TrialState.COMPLETE:
            assert dict(trial.objectives) == {"value": old.value, "size": old.constraints["size"]}
            assert values_of(trial.configuration)["n"] == old.params["n"]
    assert values_of(made[15].configuration)["n"] == 3


def _gone_on(client: Client, run: Run) -> list[int]:
    """Returns the numbers of the trials that somebody who comes is given: those that had not ended first."""
    given = client.runs.asked(run.id, "me", client.runs.suggest(run.id, "me", 3).trials)
    assert all(len(each.values) == 2 for each in given)
    standing = client.runs.told(run.id, "me", given[0].number, {"value": 99.0, "size": 0.5})
    assert standing.completed_trials == 13
    assert client.runs.get(run.id).best_objectives["value"] < 99, "what breaks a constraint is not the best"
    return [each.number for each in given]
