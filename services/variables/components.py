"""Components: what module variables choose among - an organization's own, and those that the platform brings along."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ashgrove.variables.v1 import component_pb2 as pb
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from sqlalchemy import and_, select

from domain.notes import metadata_faults
from framework.call import Role
from framework.engine import Call, reading
from framework.errors import FieldViolation
from framework.policy import bypass, has_role, owns, policy, signed_in
from framework.resource import Resource, Storage, Tenancy, archiving, spec_of
from framework.storage import codec_of, table_of
from framework.storage.tables import compiled
from framework.structs import values_of
from services.variables.spaces import refusal

Known = pb.Component | pb.BuiltInComponent


class Component(Resource[pb.Component]):
    """An organization's own components: read by all of its members, written by their owners."""

    storage = Storage(
        owner="owner_id",
        unique=[("reference",)],
        indexes=[("interface", "created_at")],
        initial={"status": pb.Component.STATUS_ACTIVE},
    )
    states = archiving("Update")
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Create", "Update", "Archive", "Unarchive", allow=has_role(Role.USER) & owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
        # What programs may be made of is the same for everybody of the organization, and no secret.
        policy("Get", "List", allow=signed_in),
    ]

    async def prepare(self, call: Call, new: pb.Component, old: pb.Component | None) -> None:
        """Derives the id by which module variables name it."""
        refuse_metadata(new, "component.")
        new.reference = f"{new.name}@{new.version}" if new.version else new.name


class BuiltInComponent(Resource[pb.BuiltInComponent]):
    """What the program service really knows; rows of the platform, written by migrations only."""

    storage = Storage(unique=[("reference",)], tenancy=Tenancy.GLOBAL)
    policies = [policy("Get", "List", allow=signed_in)]


def refuse_metadata(message: Any, prefix: str) -> None:
    """Raises InvalidFields where a message's `metadata` is too large."""
    if faults := list(metadata_faults(values_of(message.metadata), f"{prefix}metadata")):
        raise refusal(faults)


async def known(call: Call, references: Collection[str]) -> dict[str, Known]:
    """Returns the components of these ids: the organization's own, else built-in ones, else archived ones."""
    found: dict[str, Known] = {each.reference: each for each in await _rows(call, BuiltInComponent, references)}
    own = await _rows(call, Component, references)
    found = {each.reference: each for each in own if each.HasField("archived_at")} | found
    return found | {each.reference: each for each in own if not each.HasField("archived_at")}


async def _rows(call: Call, resource: type[Resource[Any]], references: Collection[str]) -> Sequence[Any]:
    spec = spec_of(resource)
    table = table_of(spec)
    visible = reading.scope(spec, call.context, "List")
    sql, params = compiled(select(table).where(and_(visible, table.c.reference.in_(sorted(references)))))
    return [codec_of(spec).message(row) for row in await call.reads().fetch(sql, params)]


async def fill_components(
    call: Call, new: space_pb.VariableSpace, old: space_pb.VariableSpace | None, prefix: str
) -> list[FieldViolation]:
    """Completes the module variables that are new or changed by what is known of their components.

    Returns what is wrong: unknown and archived components, those of another interface, capabilities that they lack. A
    space that was written stays as it is, whatever becomes of its components.
    """
    before = {each.name: each for each in old.variables} if old is not None else {}
    modules = [
        found
        for index, each in enumerate(new.variables)
        if before.get(each.name) != each
        for found in _modules(each, f"{prefix}variables[{index}]")
    ]
    if not modules:
        return []
    components = await known(call, {each.id for _, module in modules for each in module.components})
    return [fault for path, module in modules for fault in _filled(module, path, components)]


def _modules(holder: Any, path: str) -> Iterator[tuple[str, space_pb.ModuleDomain]]:
    """Yields the module domains of a variable or branch, with their paths."""
    kind = holder.WhichOneof("domain")
    if kind == "module":
        yield f"{path}.module", holder.module
    elif kind == "group":
        for index, each in enumerate(holder.group.variables):
            yield from _modules(each, f"{path}.group.variables[{index}]")
    elif kind == "conditional":
        for field in ("then", "otherwise"):
            if holder.conditional.HasField(field):
                yield from _modules(getattr(holder.conditional, field), f"{path}.conditional.{field}")


def _filled(module: space_pb.ModuleDomain, path: str, components: Mapping[str, Known]) -> Iterator[FieldViolation]:
    for index, each in enumerate(module.components):
        place, component = f"{path}.components[{index}]", components.get(each.id)
        if component is None:
            yield FieldViolation(f"{place}.id", f"there is no component {each.id}; create it, or choose another")
        elif isinstance(component, pb.Component) and component.HasField("archived_at"):
            yield FieldViolation(f"{place}.id", f"the component {each.id} is archived; choose another")
        elif component.interface != module.interface:
            message = f"{each.id} serves {component.interface}, not {module.interface}"
            yield FieldViolation(f"{place}.id", message)
        else:
            for lacking in set(each.capabilities) - set(component.capabilities):
                yield FieldViolation(f"{place}.capabilities", f"{each.id} does not have {lacking}")
            each.capabilities[:] = component.capabilities
            del each.compatibility[:]
            each.compatibility.extend(component.compatibility)
