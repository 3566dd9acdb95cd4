"""What the programs of an organization run with where nothing else is said: one row, which its administrators write."""

from typing import Any

from ashgrove.program.v1 import program_defaults_pb2 as pb
from google.protobuf.json_format import MessageToDict
from psycopg.types.json import Jsonb

from framework.call import Role
from framework.engine import Call
from framework.policy import bypass, forbid, has_role, is_guest, is_service, policy, signed_in
from framework.resource import Resource, Storage, action

_SET = "SetProgramDefaults"
_KNOWN = "SELECT id FROM program_defaults WHERE organization_id = %(organization)s FOR UPDATE"


class ProgramDefaults(Resource[pb.ProgramDefaults]):
    """Defaults: read by everybody in the organization, since they explain what was run; set by its administrators."""

    storage = Storage(unique=[("single",)], hidden={"single": "boolean NOT NULL DEFAULT true"})
    policies = [
        bypass(is_service, "Get", "List"),
        forbid(is_guest, "Create", "Update", _SET),
        policy("Get", "List", allow=signed_in),
        policy("Create", "Update", _SET, allow=has_role(Role.ADMIN)),
    ]


@action(ProgramDefaults, _SET)
async def set_defaults(call: Call, request: pb.SetProgramDefaultsRequest) -> pb.ProgramDefaults:
    """Puts these defaults in the place of those before."""
    plain = MessageToDict(request.defaults, preserving_proto_field_name=True)
    columns: dict[str, Any] = {"defaults": Jsonb(plain)}
    async with call.transaction() as tx:
        known = await tx.fetch_one(_KNOWN, {"organization": call.context.organization_id})
        if known is None:
            return await call.create(ProgramDefaults, pb.ProgramDefaults(), hidden=columns)
        return await call.update(ProgramDefaults, str(known["id"]), columns, etag=request.etag)
