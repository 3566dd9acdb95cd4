"""Presets: variables that an organization keeps to copy into spaces; the platform's catalogue is data to begin with."""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ashgrove.variables.v1 import variable_preset_pb2 as pb
from ashgrove.variables.v1 import variable_preset_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from google.protobuf.json_format import ParseDict

from domain.expressions import parse
from domain.expressions.faults import Malformed
from framework.call import Role
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.policy import bypass, has_role, owns, policy, signed_in
from framework.resource import Resource, Storage, action, archiving
from services.variables.components import refuse_metadata
from services.variables.spaces import space_of
from services.variables.variable_spaces import VariableSpace

CATALOGUE = Path(__file__).parent / "presets.json"
MOST = 1000
"""How many presets in use of an organization are looked at."""

_PREFIX = "variable_preset."


class VariablePreset(Resource[pb.VariablePreset]):
    """An organization's presets: read by all of its members, written by their owners."""

    storage = Storage(
        owner="owner_id",
        unique=[("name",)],
        indexes=[("category", "created_at")],
        initial={"status": pb.VariablePreset.STATUS_ACTIVE},
    )
    states = archiving("Update")
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Create", "Update", "Archive", "Unarchive", allow=has_role(Role.USER) & owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
        policy("Get", "List", allow=signed_in),
        policy("AddDefaultPresets", allow=has_role(Role.ADMIN)),
        policy("CreateVariableSpaceFromPresets", allow=has_role(Role.USER)),
    ]

    async def prepare(self, call: Call, new: pb.VariablePreset, old: pb.VariablePreset | None) -> None:
        """Refuses a variable that is none by itself, and constraints that cannot be read; names it by its variable."""
        refuse_metadata(new, _PREFIX)
        alone = space_pb.VariableSpace(variables=[new.variable])
        alone.variables[0].when = ""  # it may read variables that only the space has
        try:
            space_of(alone)
        except InvalidFields as invalid:
            raise invalid.moved(lambda path: path.replace("variables[0]", f"{_PREFIX}variable", 1)) from None
        if unreadable := [fault for index in range(len(new.constraints)) for fault in _unreadable(new, index)]:
            raise InvalidFields(*unreadable)
        new.name = new.variable.name


@action(VariablePreset, "AddDefaultPresets")
async def add_defaults(call: Call, request: rpc.AddDefaultPresetsRequest) -> rpc.AddDefaultPresetsResponse:
    """Adds what the organization lacks of the catalogue."""
    async with call.transaction():
        known = {each.name for each in await kept(call)}
        missing = [each for each in catalogue() if each.variable.name not in known]
        added = [await call.create(VariablePreset, each, prefix=_PREFIX) for each in missing]
    return rpc.AddDefaultPresetsResponse(variable_presets=added)


@action(VariablePreset, "CreateVariableSpaceFromPresets")
async def create_space(call: Call, request: rpc.CreateVariableSpaceFromPresetsRequest) -> space_pb.VariableSpace:
    """Creates a space of copies."""
    async with call.transaction():
        known = {each.name: each for each in await kept(call)}
        lacking = [(index, name) for index, name in enumerate(request.presets) if name not in known]
        if lacking:
            raise InvalidFields(
                *(FieldViolation(f"presets[{index}]", f"there is no preset {name}") for index, name in lacking)
            )
        made = composed([known[name] for name in request.presets])
        made.name, made.description = request.name, request.description
        try:
            return await call.create(VariableSpace, made, prefix="variable_space.")
        except InvalidFields as refused:
            raise refused.moved(_asked_for) from None


def _asked_for(path: str) -> str:
    """Returns what of the request a place in the space comes from: `presets[0].variable.when`, or `name`."""
    plain = path.removeprefix("variable_space.")
    return re.sub(r"^variables(\[\d+\])", r"presets\1.variable", plain)


async def kept(call: Call) -> Sequence[pb.VariablePreset]:
    """Returns the organization's presets that are in use."""
    in_use = {"status": pb.VariablePreset.STATUS_ACTIVE}
    return await call.list(VariablePreset, in_use, limit=MOST, order_by="name")


async def known_models(call: Call) -> list[str]:
    """Returns the models that the organization's preset `model` offers; none where there is no such preset."""
    in_use = {"status": pb.VariablePreset.STATUS_ACTIVE, "name": "model"}
    presets = await call.list(VariablePreset, in_use, limit=1)
    choices = [each for preset in presets for each in preset.variable.choice.choices]
    return [each.string_value for each in choices if each.WhichOneof("kind") == "string_value"]


def composed(presets: Sequence[pb.VariablePreset]) -> space_pb.VariableSpace:
    """Returns a space of copies of presets, and of the constraints that read none but their variables."""
    names = {each.name for each in presets}
    made = space_pb.VariableSpace(variables=[each.variable for each in presets])
    for preset in presets:
        made.constraints.extend(each for each in preset.constraints if parse(each.expression).names() <= names)
    return made


@cache
def catalogue() -> tuple[pb.VariablePreset, ...]:
    """Returns the platform's presets."""
    return tuple(ParseDict(each, pb.VariablePreset()) for each in json.loads(CATALOGUE.read_text()))


def _unreadable(preset: pb.VariablePreset, index: int) -> list[FieldViolation]:
    try:
        parse(preset.constraints[index].expression)
    except Malformed as malformed:
        return [FieldViolation(f"{_PREFIX}constraints[{index}].expression", str(malformed))]
    return []
