"""The space of an external run as it was when the run was made, and each extension of it, kept with the run."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from psycopg.types.json import Jsonb

from domain.prompt_values import PromptValue
from domain.space import Space
from framework.storage import Transaction
from services.optimizer.prompts import SLOT
from services.optimizer.spaces import plain

_KEEP = """
INSERT INTO run_spaces (organization_id, run_id, variables, constraints, pool)
VALUES (%(organization)s, %(run)s, %(variables)s, %(constraints)s, %(pool)s)
"""
_EXTEND = """
INSERT INTO run_spaces (organization_id, run_id, extensions, variables, constraints, pool)
SELECT organization_id, run_id, extensions + 1, variables || %(variables)s, constraints, pool FROM run_spaces
WHERE organization_id = %(organization)s AND run_id = %(run)s AND extensions = %(extensions)s
"""
_READ = """
SELECT variables, constraints, pool FROM run_spaces
WHERE organization_id = %(organization)s AND run_id = %(run)s AND extensions = %(extensions)s
"""


async def keep(
    tx: Transaction, run: Mapping[str, Any], space: VariableSpace, pool: Mapping[str, PromptValue] | None
) -> None:
    """Writes the space down for the run, and what its prompt variables may refer to."""
    values = (
        None if pool is None else {reference: [value.kind, dict(value.content)] for reference, value in pool.items()}
    )
    await tx.execute(
        _KEEP,
        _ids(run)
        | {
            "variables": Jsonb(plain(space.variables)),
            "constraints": Jsonb(plain(space.constraints)),
            "pool": None if values is None else Jsonb(values),
        },
    )


async def extend(tx: Transaction, run: Mapping[str, Any], variables: Sequence[Mapping[str, Any]]) -> None:
    """Writes the run's space down once more, with more variables; it is not waited for."""
    await tx.send(_EXTEND, _ids(run) | {"variables": Jsonb(list(variables)), "extensions": run["space_extensions"]})


async def read(tx: Transaction, run: Mapping[str, Any]) -> Space:
    """Returns the run's space as it is by now."""
    row = await tx.fetch_one(_READ, _ids(run) | {"extensions": run["space_extensions"]})
    assert row is not None, "it was written with the run"
    space = Space.from_json(row["variables"], row["constraints"])
    if row["pool"] is None:
        return space
    pool = {reference: PromptValue(kind, content) for reference, (kind, content) in row["pool"].items()}
    return space.within([SLOT]).offering(pool)


def _ids(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"organization": run["organization_id"], "run": run["id"]}
