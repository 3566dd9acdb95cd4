"""Prompts of a run: the pool of its space as it was when the run was made, and what references mean to a program."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ashgrove.program.v1.program_pb2 import Program
from ashgrove.variables.v1.prompt_value_pb2 import PromptValue as Kept
from ashgrove.variables.v1.prompt_value_requests_pb2 import ListPromptValuesRequest
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from grpc import aio

from domain.prompt_values import UNCHANGED, PromptKind, PromptValue
from domain.space import Space
from domain.values import Json
from framework.errors import FieldViolation
from framework.structs import values_of
from services.optimizer.application import Application

SLOT = "main"
"""The slot of programs that ask a model; what it says are their parameters `instructions` and `demonstrations`."""

_KINDS: Mapping[int, PromptKind] = {Kept.KIND_INSTRUCTION: "instruction", Kept.KIND_DEMO_SET: "demo_set"}
_PAGE = 1000


def prompt_faults(space: VariableSpace, program: Program) -> Iterator[FieldViolation]:
    """Yields the prompt variables of a space that no trial could put into the program."""
    for each in space.variables:
        kind = each.WhichOneof("domain")
        if kind not in ("instruction", "demo_set") or getattr(each, kind).slot != SLOT:
            continue  # a slot that the program lacks is inactive
        if program.type == Program.TYPE_CUSTOM:
            message = f"{each.name} is a prompt, and custom code has no slots"
            yield FieldViolation("optimization_run.variable_space_id", message)


async def offered(application: Application, identity: aio.Metadata, run: Mapping[str, Any], space: Space) -> Space:
    """Returns the space for a program that asks a model, with the values that its pool had before the run.

    Ids grow with time and values are never deleted: whoever takes the run over sees the same pool.
    """
    pool = {}
    if space.prompts:
        found = run["demonstration_sets"] or ()
        pool = await pool_of(application, identity, str(run["variable_space_id"]), str(run["id"]), found)
    return space.within([SLOT]).offering(pool)


async def pool_of(
    application: Application,
    identity: aio.Metadata | None,
    space_id: str,
    run_id: str,
    found: Collection[str] = (),
) -> dict[str, PromptValue]:
    """Returns the values that a space's pool had before a run, and those that it has `found`, by their references."""
    pool: dict[str, PromptValue] = {}
    request = ListPromptValuesRequest(filter=f'variable_space_id = "{space_id}"', order_by="id", page_size=_PAGE)
    while True:
        page = await application.variables.ListPromptValues(request, metadata=identity)
        for each in page.prompt_values:
            if each.id < run_id or each.reference in found:
                pool[each.reference] = PromptValue(_KINDS[each.kind], values_of(each.content))
        request.page_token = page.next_page_token
        if not request.page_token:
            return pool


def parameters(space: Space, configuration: Mapping[str, Json]) -> dict[str, Json]:
    """Returns what a program runs with: what references stand for, and nothing in the place of `unchanged`."""
    values = dict(configuration)
    for each in space.prompts:
        value = values.pop(each.name, UNCHANGED)
        if value != UNCHANGED and each.pool is not None:
            said = each.pool[value]
            if said.kind == "instruction":
                values["instructions"] = said.text
            else:
                values["demonstrations"] = said.demonstrations
    return values
