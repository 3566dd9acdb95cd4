"""Spaces that grow: a define-by-run client says what it asks for while it evaluates, and is given a value of it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ashgrove.optimizer.v1.external_requests_pb2 import ExtendSpaceRequest, ExtendSpaceResponse
from psycopg.types.json import Jsonb

from domain.seeds import Draw
from domain.space import Space
from domain.structured_variables import Declared
from domain.values import Invalid, Json, content_hash
from framework.engine import Call
from framework.errors import FieldViolation, IllegalState, InvalidFields
from framework.resource import action
from services.optimizer.external import space
from services.optimizer.external.copying import free_copies
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import Turn, message
from services.optimizer.resources import OptimizationRun
from services.optimizer.spaces import plain

_VERB = "ExtendSpace"
MOST = 1000
"""How many variables a space may have."""
_KINDS = ("float", "integer", "choice", "boolean")
_STRATEGIES = ("STRATEGY_RANDOM", "STRATEGY_BAYESIAN")
_OPEN_RUNS = ("STATUS_PENDING", "STATUS_RUNNING", "STATUS_PAUSED")
_GIVE = """
UPDATE trials SET configuration = %(configuration)s, content_hash = %(content_hash)s, lock_version = lock_version + 1
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = %(number)s
"""


@action(OptimizationRun, _VERB)
async def extend(call: Call, request: ExtendSpaceRequest) -> ExtendSpaceResponse:
    """Adds variables to the run's space, and gives a trial values of them; see `ExtendSpace`."""
    answer: ExtendSpaceResponse = await in_turn(call, request.id, _VERB, partial(_extended, request=request))
    return answer


def can_be_partial(run: Mapping[str, Any]) -> bool:
    """Tells whether a run's strategy learns from configurations that lack variables."""
    return run["strategy"] in _STRATEGIES


async def _extended(at: Turn, request: ExtendSpaceRequest) -> ExtendSpaceResponse:
    _check(at)
    held = at.held(request.client, request.number, renewing=True) if request.number else None
    asked = [_read(entry, f"variables[{i}]") for i, entry in enumerate(plain(request.variables))]
    known = {each.name: each for each in (await at.warm()).space.variables}
    if fresh := _fresh(asked, known):
        await _grow(at, fresh, len(known))
    answer = ExtendSpaceResponse(space_extensions=at.row["space_extensions"])
    if held is not None:
        await _give(at, held, asked)
        answer.trial.CopyFrom(message(held))
    return answer


def _check(at: Turn) -> None:
    if at.status not in _OPEN_RUNS:
        raise IllegalState(f"this run is {at.status.removeprefix('STATUS_')}", status=at.status)
    if not can_be_partial(at.row):
        name = at.row["strategy"].removeprefix("STRATEGY_").lower()
        told = f"{name} searches the space that it began with: create the run with random or bayesian to extend it"
        raise IllegalState(told, strategy=at.row["strategy"])


def _read(entry: Mapping[str, Any], path: str) -> Declared:
    """Returns a variable; raises InvalidFields with everything that is wrong with it."""
    try:
        (variable,) = Space.from_json([entry]).variables
    except Invalid as invalid:
        faults = [FieldViolation(each.path.replace("variables[0]", path), each.message) for each in invalid.violations]
        raise InvalidFields(*faults) from invalid
    if variable.kind not in _KINDS or variable.when:
        raise InvalidFields(FieldViolation(path, f"must be one of {', '.join(_KINDS)}, without a condition"))
    return variable


def _fresh(asked: Sequence[Declared], known: Mapping[str, Declared]) -> dict[str, Declared]:
    """Returns the variables that are new, by name; raises IllegalState for one that is there with another domain."""
    fresh: dict[str, Declared] = {}
    for each in asked:
        there = known.get(each.name, fresh.get(each.name))
        if there is None:
            fresh[each.name] = each
        elif (there.kind, there.domain()) != (each.kind, each.domain()):
            told = f"{each.name} is a variable of this run with another domain, {_shown(there)}: "
            raise IllegalState(told + "ask for it as it is, or for another name", variable=each.name)
    return fresh


def _shown(variable: Declared) -> str:
    domain: Any = {name: value for name, value in variable.domain().items() if value not in (None, False, [])}
    return f"{variable.kind} {domain}"[:500]


async def _grow(at: Turn, fresh: Mapping[str, Declared], count: int) -> None:
    if count + len(fresh) > MOST:
        raise InvalidFields(FieldViolation("variables", f"must leave the space with {MOST} variables at most"))
    await space.extend(at.tx, at.row, Space(tuple(fresh.values())).to_json())
    grown = {"space_extensions": at.row["space_extensions"] + 1}
    await at.call.update(OptimizationRun, str(at.row["id"]), grown, verb=_VERB)
    at.row |= grown
    at.is_news = True  # where all was tried there is more now
    at.forget()


async def _give(at: Turn, trial: dict[str, Any], asked: Sequence[Declared]) -> None:
    """Gives a trial values of variables that it has none of, each drawn by itself with the trial's own seed."""
    missing = [each for each in asked if each.name not in trial["configuration"]]
    if not missing:
        return
    drawn: dict[str, Json] = {}
    for each in missing:
        drawn |= Space((each,)).draw(Draw(trial["seed"], f"extension {each.name}"))
    configuration = trial["configuration"] | drawn
    trial |= {"configuration": configuration, "content_hash": content_hash(configuration)}
    trial["lock_version"] += 1
    written = {"configuration": Jsonb(configuration), "content_hash": trial["content_hash"]}
    await at.tx.send(_GIVE, at.ids | written | {"number": trial["number"]})
    await free_copies(at, trial["number"])
    await at.tell_of("updated", [message(trial)])
