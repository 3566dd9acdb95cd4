"""Prompt values: the pool of what has been found for a space's open variables, only ever added to."""

from collections.abc import Mapping
from typing import Any

from ashgrove.variables.v1 import prompt_value_pb2 as pb
from ashgrove.variables.v1.prompt_value_requests_pb2 import AddPromptValueRequest

from domain.notes import metadata_faults
from domain.prompt_values import PromptKind, PromptValue, is_reference
from domain.space import Space
from domain.values import Invalid
from framework.call import Role
from framework.engine import Call
from framework.policy import bypass, has_role, is_public, owns, policy
from framework.resource import Resource, Storage, action
from framework.structs import struct_of, values_of
from services.variables.runs import refuse_strange_run
from services.variables.spaces import archived, refusal
from services.variables.variable_spaces import VariableSpace

MOST_OFFERED = 1000
"""How many values of a pool prompts are drawn from at most."""

_KINDS: dict[int, PromptKind] = {
    pb.PromptValue.KIND_INSTRUCTION: "instruction",
    pb.PromptValue.KIND_DEMO_SET: "demo_set",
}


class KeptPromptValue(Resource[pb.PromptValue]):
    """What configurations refer to by its hash: read by its owner and, when public, by the organization."""

    storage = Storage(
        owner="owner_id",
        unique=[("owner_id", "variable_space_id", "reference")],
        indexes=[("variable_space_id", "reference")],
        references={"variable_space_id": "variable_spaces"},
        append_only=True,
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Create", "AddPromptValue", allow=has_role(Role.USER) & owns),
        policy("Get", "List", allow=owns | is_public),
    ]

    async def prepare(self, call: Call, new: pb.PromptValue, old: pb.PromptValue | None) -> None:
        """Refuses what has not the form of its kind; normalises the rest and derives its name."""
        path = "prompt_value."
        try:
            value = PromptValue.of(_KINDS[new.kind], values_of(new.content), f"{path}content")
        except Invalid as invalid:
            raise refusal(invalid.violations) from None
        if faults := list(metadata_faults(values_of(new.provenance), f"{path}provenance")):
            raise refusal(faults)
        await refuse_strange_run(call, new, path)
        new.content.CopyFrom(struct_of(value.content))
        new.reference, new.token_count = value.reference, value.token_count
        new.visibility = new.visibility or pb.PromptValue.VISIBILITY_PRIVATE


@action(KeptPromptValue, "AddPromptValue")
async def add(call: Call, request: AddPromptValueRequest) -> pb.PromptValue:
    """Keeps a value, or returns the one that says the same already."""
    wanted = pb.PromptValue()
    wanted.CopyFrom(request.prompt_value)
    async with call.transaction():
        # Whoever adds to the same pool waits here: so no value comes twice, and later ones have later ids.
        row = await call.row(VariableSpace, wanted.variable_space_id, lock=True)
        if row["archived_at"] is not None:
            raise archived("AddPromptValue")
        await KeptPromptValue().prepare(call, wanted, None)
        mine: dict[str, Any] = {
            "variable_space_id": row["id"],
            "reference": wanted.reference,
            "owner_id": call.actor.user_id,
        }
        for kept in await call.list(KeptPromptValue, mine, limit=1):
            return kept
        return await call.create(KeptPromptValue, wanted, prefix="prompt_value.")


async def referred(call: Call, space_id: str, space: Space, values: Mapping[str, Any]) -> Space:
    """Returns the space with what values refer to in its pool, as far as the caller sees it."""
    named = [values.get(each.name, each.default) for each in space.prompts]
    pool: dict[str, PromptValue] = {}
    for reference in filter(is_reference, named):
        equal = {"variable_space_id": space_id, "reference": reference}
        pool |= _pool(await call.list(KeptPromptValue, equal, limit=1))
    return space.offering(pool)


async def offered(call: Call, space_id: str, space: Space, size: int) -> tuple[Space, int]:
    """Returns the space with the oldest values of its pool that the caller sees, and how many those are."""
    if not space.prompts:
        return space, 0
    equal = {"variable_space_id": space_id}
    kept = await call.list(KeptPromptValue, equal, limit=size or MOST_OFFERED, order_by="id")
    return space.offering(_pool(kept)), len(kept)


def _pool(kept: Any) -> dict[str, PromptValue]:
    return {each.reference: PromptValue(_KINDS[each.kind], values_of(each.content)) for each in kept}
