"""Optuna's studies as external runs: numbers, states, values on the way, attributes, times; needs `ashgrove[optuna]`.

Studies are read from a relational storage, whose columns are numbers and JSON: nothing is unpickled.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ashgrove.objectives import Objective
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2, trial_pb2

if TYPE_CHECKING:
    from ashgrove.client import Client

MOST = 10_000
_PORTION = 200
_LONGEST = 20_000
"""How long an attribute may be, as JSON: what is longer is a sampler's own state, and is left out."""
_MOST_OBJECTIVES, _LONGEST_NAME = 8, 127
"""What the objectives of a run may be."""
_STATES = {
    "COMPLETE": trial_pb2.Trial.STATUS_COMPLETED,
    "PRUNED": trial_pb2.Trial.STATUS_DROPPED,
    "FAIL": trial_pb2.Trial.STATUS_FAILED,
    "RUNNING": trial_pb2.Trial.STATUS_RUNNING,
    "WAITING": trial_pb2.Trial.STATUS_RUNNING,
}


def import_study(
    client: "Client",
    storage: str,
    name: str,
    *,
    run_name: str = "",
    max_trials: int = 0,
    told: Callable[[str], object] = lambda words: None,
) -> optimization_run_pb2.OptimizationRun:
    """Creates an external run of a study, with its space and trials; by default a hundred more trials may follow.

    Trials keep their numbers, from 1 instead of 0. Pruned ones are dropped, running and waiting ones are handed on.
    What a study's trials are constrained by are objectives of the run with threshold 0: how far each is violated.
    Where that cannot be they are kept as attributes, and `told` is told why.
    Raises ValueError for what cannot be read; a run that cannot be filled is cancelled.
    """
    study = read_study(storage, name)
    if study.unconstrained:
        told(f"constraints are kept as attributes only: {study.unconstrained}")
    most = max_trials or min(MOST, len(study.trials) + 100)
    if len(study.trials) > most:
        raise ValueError(
            f"the study has {len(study.trials)} trials: a run may have {most} (--max-trials, up to {MOST})"
        )
    read = client.spaces.read("optuna", json.dumps({"parameters": study.parameters}))
    names = dict(zip(study.names, (each.name for each in read.variable_space.variables), strict=True))
    space = client.spaces.create(run_name or name, read.variable_space)
    run = client.runs.create_external(
        space.id, objectives=study.objectives, max_trials=most, name=run_name or name, strategy="bayesian"
    )
    try:
        made = [study.imported(trial, names) for trial in study.trials]
        for first in range(0, len(made), _PORTION):
            client.runs.import_trials(run.id, made[first : first + _PORTION])
    except BaseException:
        client.runs.cancel(run.id)
        raise
    return client.runs.get(run.id)


def read_study(storage: str, name: str) -> "Study":
    """Returns a study of a storage, such as `sqlite:///study.db`; raises ValueError where there is none."""
    try:
        import optuna
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise ValueError("studies need Optuna: install `ashgrove[optuna]`") from None
    path = storage.removeprefix("sqlite:///")
    if path != storage and not Path(path).is_file():
        raise ValueError(f"there is no file {path}")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        opened = optuna.storages.RDBStorage(storage, skip_table_creation=True)
        study = optuna.load_study(study_name=name, storage=opened)
        return Study.of(study)
    except KeyError:
        known = ", ".join(sorted(each.study_name for each in opened.get_all_studies())[:20]) or "none"
        raise ValueError(f"the storage has no study {name!r}; it has {known}") from None
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError, ImportError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise ValueError(f"the storage cannot be read: {reason}") from error


@dataclass(frozen=True)
class Study:
    """What a run needs to know of a study."""

    objectives: Sequence[Objective]
    parameters: Sequence[Mapping[str, Any]]
    """The parameters as Optuna's JSON, by name, each as wide as any trial had it."""
    trials: Sequence[Any]
    constraints: Mapping[str, str] = field(default_factory=dict)
    """What the constraints are called as objectives, of which they are the last."""
    unconstrained: str = ""
    """Why constraints are kept as attributes only; empty where they are objectives, and where there are none."""

    @classmethod
    def of(cls, study: Any) -> "Study":
        """Returns what there is to know of Optuna's study."""
        directions = [each.name.lower() for each in study.directions]
        given = study.metric_names or (
            ["value"] if len(directions) == 1 else [f"value_{n}" for n in range(len(directions))]
        )
        objectives = [Objective(metric, way) for metric, way in zip(given, directions, strict=True)]
        trials = study.get_trials(deepcopy=False)
        constraints, why = _constraints(trials, given)
        # What is kept by more is no better, and no reason to be on the front; but strategies learn from it.
        objectives += [Objective(name, "minimize", threshold=0.0, only_bounds=True) for name in constraints.values()]
        return cls(objectives, list(_parameters(trials)), trials, constraints, why)

    @property
    def names(self) -> list[str]:
        """The names of the parameters."""
        return [each["name"] for each in self.parameters]

    def imported(self, trial: Any, names: Mapping[str, str]) -> pb.ImportedTrial:
        """Returns a trial as a run takes it over; `names` are the variables of the parameters."""
        reached, error = self._end(trial)
        status = trial_pb2.Trial.STATUS_FAILED if error else _STATES[trial.state.name]
        made = pb.ImportedTrial(number=trial.number + 1, status=status, objectives=reached, error=error)
        fixed = trial.system_attrs.get("fixed_params", {}) if trial.state.name in ("WAITING", "RUNNING") else {}
        params = {name: value for name, value in (fixed | trial.params).items() if name in names}
        made.configuration.update({names[name]: value for name, value in params.items()})
        made.attributes.update(_attributes(trial))
        first = self.objectives[0].metric
        made.measurements.extend(
            pb.Measurement(step=step, values={first: value})
            for step, value in sorted(trial.intermediate_values.items())
            if math.isfinite(value) and step >= 0
        )
        for when, moment in (("started_at", trial.datetime_start), ("completed_at", trial.datetime_complete)):
            if moment is not None:
                getattr(made, when).FromDatetime(_in_utc(moment))
        return made

    def _end(self, trial: Any) -> tuple[dict[str, float], str]:
        """Returns what a trial reached, and why it failed."""
        if trial.state.name == "FAIL":
            return {}, str(trial.system_attrs.get("fail_reason", "it failed where it was made"))[:4096]
        values, goals = trial.values, len(self.objectives) - len(self.constraints)
        if values is None and trial.state.name == "PRUNED" and goals == 1 and trial.intermediate_values:
            values = [trial.intermediate_values[max(trial.intermediate_values)]]
        if values is None or not trial.constraints.keys() >= self.constraints.keys():
            return {}, ""
        values = [*values, *(trial.constraints[name] for name in self.constraints)]
        if not all(map(math.isfinite, values)):
            return {}, f"it reached {values}, which is no finite number" if trial.state.name == "COMPLETE" else ""
        return dict(zip((each.metric for each in self.objectives), values, strict=True)), ""


def _constraints(trials: Sequence[Any], metrics: Sequence[str]) -> tuple[dict[str, str], str]:
    """Returns the constraints that a run can have, with their names, and why it cannot where there are others."""
    names = sorted({name for trial in trials for name in trial.constraints})
    # Those of older versions have places instead of names.
    called = {name: f"constraint_{name}" if name.isdigit() else name for name in names}
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if not names:
        return {}, ""
    if lacking := next((each for each in complete if each.constraints.keys() != set(names)), None):
        return {}, f"trial {lacking.number} is complete without all of {', '.join(names)}"
    if len(metrics) + len(names) > _MOST_OBJECTIVES:
        return {}, f"with the values they are more than {_MOST_OBJECTIVES} objectives"
    if unfit := [name for name in called.values() if not 0 < len(name) <= _LONGEST_NAME or name in metrics]:
        return {}, f"an objective cannot be called {unfit[0]!r}"
    return called, ""


def _parameters(trials: Sequence[Any]) -> Iterator[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    import optuna

    for trial in trials:
        for name, distribution in trial.distributions.items():
            entry = json.loads(optuna.distributions.distribution_to_json(distribution))
            found[name] = _wider(found[name], entry, name) if name in found else entry
    if not found:
        raise ValueError("no trial of the study has a parameter: there is nothing to search")
    return ({"name": name, "distribution": _listed(entry)} for name, entry in found.items())


def _wider(one: dict[str, Any], other: dict[str, Any], name: str) -> dict[str, Any]:
    """Returns a distribution that holds both; Optuna lets ranges of a name differ from trial to trial."""
    if one == other:
        return one
    if one["name"] != other["name"] or "choices" in one["attributes"]:
        raise ValueError(f"the parameter {name!r} is of two kinds in this study: {one} and {other}")
    a, b = one["attributes"], other["attributes"]
    ends = {"low": min(a["low"], b["low"]), "high": max(a["high"], b["high"])}
    # On two grids, or on two scales, any value of the range may have been tried.
    step = a["step"] if a["step"] == b["step"] and a["low"] == b["low"] else 1 if "Int" in one["name"] else None
    return {"name": one["name"], "attributes": {**ends, "step": step, "log": a["log"] and b["log"]}}


def _listed(entry: dict[str, Any]) -> dict[str, Any]:
    """Returns a range of a single value as a choice: there is nothing between its ends."""
    attributes = entry["attributes"]
    if "choices" in attributes or attributes["low"] < attributes["high"]:
        return entry
    return {"name": "CategoricalDistribution", "attributes": {"choices": [attributes["low"]]}}


def _attributes(trial: Any) -> dict[str, Any]:
    """Returns what else is known of a trial, as JSON."""
    system = {name: value for name, value in trial.system_attrs.items() if len(json.dumps(value)) <= _LONGEST}
    known = {
        "optuna": {"number": trial.number, "state": trial.state.name},
        "user": trial.user_attrs,
        "system": system,
        "constraints": trial.constraints,
    }
    plain = json.loads(json.dumps(known), parse_constant=str)  # JSON of Python has NaN and infinities, ours has not
    return {name: value for name, value in plain.items() if value}


def _in_utc(moment: datetime) -> datetime:
    # Optuna stores the local time of whoever made the trial.
    return moment.astimezone(UTC)
