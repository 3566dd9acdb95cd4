"""What holds where neither a program nor a call says anything: the organization's defaults over the operator's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.values import Json
from framework.engine import Call
from framework.storage import Asked, Transaction
from services.program.lm.engine import ModelSettings

TIMEOUT, LIMIT = "execution_timeout_ms", "execution_max_cost_micros"
"""What is about an execution as a whole, and no parameter of a program."""
_RETENTION = "execution_retention"
_THEIRS = "SELECT defaults, lock_version FROM program_defaults WHERE organization_id = %(organization)s"
_SAME = """
(SELECT lock_version FROM program_defaults WHERE organization_id = %(defaults_of)s)
    IS NOT DISTINCT FROM %(defaults_version)s::bigint
"""
_OF_RUN = """
SELECT defaults FROM evaluations WHERE organization_id = %(organization)s AND run_id = %(run)s
ORDER BY created_at, id LIMIT 1
"""


@dataclass(frozen=True)
class Defaults:
    """The values of the two outer levels, by parameter."""

    system: Mapping[str, Json] = field(default_factory=dict)
    organization: Mapping[str, Json] = field(default_factory=dict)
    retention: Mapping[str, int] = field(default_factory=dict)
    """What executions keep where their program does not say: as it is now, so that no work is pinned to it."""
    version: int | None = None
    """Which of its organization's they are; None where it has none."""

    @property
    def parameters(self) -> dict[str, Json]:
        """What a program's own settings are laid over."""
        return {n: v for n, v in {**self.system, **self.organization}.items() if n not in (TIMEOUT, LIMIT)}

    def stored(self) -> dict[str, Any]:
        """Returns them as a column keeps them: work goes on with what it began with."""
        return {"system": dict(self.system), "organization": dict(self.organization)}

    def standing(self, call: Call) -> tuple[str, dict[str, Any]]:
        """Returns the clause that they are still the organization's."""
        return _SAME, {"defaults_of": call.context.organization_id, "defaults_version": self.version}


def kept_defaults(stored: Mapping[str, Any] | None) -> Defaults:
    """Returns defaults out of what a column keeps; none for work of before there were such."""
    return Defaults(**(stored or {}))


async def defaults_of(call: Call, tx: Transaction) -> Defaults:
    """Returns what holds now in the caller's organization."""
    return await defaults_answered(call, tx, await ask_defaults(call, tx))


async def ask_defaults(call: Call, tx: Transaction) -> Asked:
    """Asks for them with whatever is asked next; `defaults_answered` is to be told."""
    return await tx.leave(_THEIRS, {"organization": call.context.organization_id})


async def defaults_answered(call: Call, tx: Transaction, asked: Asked) -> Defaults:
    """Returns what was asked for."""
    rows = await tx.answer(asked)
    said = dict(rows[0]["defaults"]) if rows else {}
    if LIMIT in said:
        said[LIMIT] = int(said[LIMIT])  # JSON of protos writes large integers as text
    retention = said.pop(_RETENTION, {})
    version = rows[0]["lock_version"] if rows else None
    return Defaults({"model": models_of(call).default_model}, said, retention, version)


async def defaults_of_evaluation(call: Call, tx: Transaction, run: UUID | None) -> Defaults:
    """Returns what an evaluation begins with: those of one run are alike, whatever is set meanwhile."""
    if run is not None:
        first = await tx.fetch_one(_OF_RUN, {"organization": call.context.organization_id, "run": run})
        if first is not None:
            return kept_defaults(first["defaults"])
    return await defaults_of(call, tx)


def models_of(call: Call) -> ModelSettings:
    """Returns what the operator says of models."""
    return call.application.models if call.application else ModelSettings()
