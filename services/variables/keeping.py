"""What a configuration must not be to be kept: of contradicting origin, of strange parents, or there already."""

from ashgrove.variables.v1.variable_configuration_pb2 import VariableConfiguration

from framework.engine import Call
from framework.errors import AlreadyExists, FieldViolation, InvalidFields, NotFound
from framework.resource import Resource

Configurations = type[Resource[VariableConfiguration]]
_PATH = "variable_configuration."
_PARENTS = {
    VariableConfiguration.ORIGIN_MANUAL: 0,
    VariableConfiguration.ORIGIN_PERTURBED: 1,
    VariableConfiguration.ORIGIN_CROSSOVER: 2,
}


def refuse_origin(new: VariableConfiguration) -> None:
    """Raises InvalidFields where what is said of the origin contradicts itself."""
    faults = []
    wanted, given = _PARENTS.get(new.origin), len(new.parent_ids)
    if wanted is not None and given != wanted:
        faults.append(FieldViolation(f"{_PATH}parent_ids", f"must be {wanted} for this origin, not {given}"))
    if new.origin != VariableConfiguration.ORIGIN_OPTIMIZER:
        faults += [
            FieldViolation(_PATH + name, "is for ORIGIN_OPTIMIZER only")
            for name in ("optimization_run_id", "trial_id")
            if getattr(new, name)
        ]
    if faults:
        raise InvalidFields(*faults)


async def refuse_strangers(call: Call, configurations: Configurations, new: VariableConfiguration) -> None:
    """Raises InvalidFields for parents that the caller cannot see, or that are of another space."""
    faults = []
    for index, identifier in enumerate(new.parent_ids):
        path = f"{_PATH}parent_ids[{index}]"
        try:
            parent = await call.get(configurations, identifier)
        except NotFound:
            faults.append(FieldViolation(path, "there is no such configuration that you can see"))
        else:
            if parent.variable_space_id != new.variable_space_id:
                faults.append(FieldViolation(path, "is a configuration of another space"))
    if faults:
        raise InvalidFields(*faults)


async def refuse_twin(call: Call, configurations: Configurations, new: VariableConfiguration) -> None:
    """Raises AlreadyExists, naming the one, where the same values are kept already: who sees a space sees them."""
    same = {
        "variable_space_id": new.variable_space_id,
        "variable_space_revision": new.variable_space_revision,
        "content_hash": new.content_hash,
    }
    for twin in await call.list(configurations, same):
        if not twin.HasField("archived_at"):
            message = f"these values are kept already as {twin.name}, {twin.id}"
            raise AlreadyExists(message, resource="variable_configuration", id=twin.id)
