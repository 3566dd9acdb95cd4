"""Feedback: what people, keys and rubrics say about executions."""

from typing import Any

from ashgrove.program.v1 import execution_pb2, feedback_pb2

from framework.call import Actor, Role
from framework.engine import Call, of_readable
from framework.errors import FieldViolation, InvalidFields, NotFound
from framework.policy import WRITES, bypass, has_role, owns, policy
from framework.resource import Resource, Storage, archiving
from framework.structs import struct_of, values_of
from services.program import shapes
from services.program.resources.execution import Execution
from services.program.resources.program import Program

_PATH = "feedback"
_SAID = ("score", "label", "comment", "corrected_outputs")
_Feedback = feedback_pb2.Feedback
_of_readable_execution = of_readable(Execution, "execution_id")


class Feedback(Resource[feedback_pb2.Feedback]):
    """Feedback: given and read by whoever may read the execution, changed and taken back by whoever gave it."""

    storage = Storage(
        owner="owner_id",
        indexes=[("execution_id", "created_at"), ("program_id", "created_at"), ("owner_id", "created_at")],
        references={"execution_id": "executions", "program_id": "programs"},
        part_of=["execution_id"],
        initial={"status": _Feedback.STATUS_ACTIVE},
    )
    # What people write, and what a program should have said, may be as private as what went in.
    untold = ("comment", "corrected_outputs")
    states = archiving("Update")
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy(*WRITES, allow=has_role(Role.USER)),
        policy("Get", "List", allow=_of_readable_execution),
        policy("Create", allow=owns & _of_readable_execution),
        policy("Update", "Archive", "Unarchive", allow=owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
    ]

    async def prepare(self, call: Call, new: _Feedback, old: _Feedback | None) -> None:
        """Refuses executions out of sight and corrections that miss the signature; says who or what it comes from."""
        if set(_SAID).isdisjoint(field.name for field, _ in new.ListFields()):
            raise InvalidFields(FieldViolation(_PATH, f"must say something: one of {', '.join(_SAID)}"))
        execution = await _execution(call, new.execution_id)
        new.program_id = execution.program_id
        if new.HasField("corrected_outputs") and (old is None or new.corrected_outputs != old.corrected_outputs):
            new.corrected_outputs.CopyFrom(struct_of(await _corrected(call, execution, new)))
        if old is None:
            new.source, new.key_id = _source(call.actor, new.rubric)


async def _execution(call: Call, identifier: str) -> execution_pb2.Execution:
    try:
        return await call.get(Execution, identifier)
    except NotFound:
        told = FieldViolation(f"{_PATH}.execution_id", "there is no such execution that you can see")
        raise InvalidFields(told) from None


async def _corrected(call: Call, execution: execution_pb2.Execution, new: _Feedback) -> dict[str, Any]:
    """Returns corrected outputs as they are kept; raises InvalidFields naming all that misses the signature."""
    program = await call.get(Program, execution.program_id, revision=execution.program_revision)
    path = f"{_PATH}.corrected_outputs"
    return shapes.fitted(program.signature_config.outputs, values_of(new.corrected_outputs), path)


def _source(actor: Actor, rubric: str) -> tuple[_Feedback.Source.ValueType, str]:
    """Returns where feedback comes from, and the key that gave it: a person's credential is the person."""
    key = "" if actor.credential_id in ("", actor.id) else actor.credential_id
    if rubric:
        return _Feedback.SOURCE_RUBRIC, key
    return (_Feedback.SOURCE_KEY if key else _Feedback.SOURCE_PERSON), key
