"""The trail holds no secret: whatever auth tells is recorded in earnest, and every row of it is searched."""

from pathlib import Path
from uuid import UUID

from ashgrove.auth.v1.api_key_requests_pb2 import RotateApiKeyRequest
from ashgrove.auth.v1.authentication_requests_pb2 import EndSessionRequest, RefreshAccessTokenRequest
from ashgrove.event.v1.event_pb2 import Event
from google.protobuf.json_format import ParseDict

from framework.call import ANONYMOUS
from framework.testing.workbench import workbench
from services.audit.recorder import append
from services.audit.registry import registry
from tests.integration.auth.house import House


async def secrets_of(house: House) -> list[str]:
    """Makes, uses, rotates and refuses credentials of every kind, and returns all that must stay secret."""
    made = await house.key(house.admin)
    signed_in = await house.authenticate(made.secret)
    request = RefreshAccessTokenRequest(refresh_token=signed_in.refresh_token)
    following = await house.call(ANONYMOUS, "RefreshAccessToken", request)
    await house.call(ANONYMOUS, "EndSession", EndSessionRequest(refresh_token=following.refresh_token))
    rotated = await house.call(house.admin, "RotateApiKey", RotateApiKeyRequest(id=made.api_key.id))
    found = [house.secret, made.secret, rotated.secret, signed_in.access_token, signed_in.refresh_token]
    return [*found, following.access_token, following.refresh_token]


async def test_no_row_of_the_trail_holds_a_secret_or_what_is_stored_of_one(house: House, postgres_url: str) -> None:
    """Neither the secrets, nor the digests by which they are recognised, in text, bytes or hexadecimal."""
    secrets = await secrets_of(house)
    async with house.database.system() as tx:
        digests = [bytes(row["key_hash"]) for row in await tx.fetch("SELECT key_hash FROM api_keys")]
    told = await house.events()
    assert {"api_key.created", "api_key.authenticated", "session.signed_out"} <= {one["type"] for one in told}
    async with workbench(registry(), postgres_url, Path("services/audit/migrations")) as trail:
        for number, one in enumerate(told, 1):
            event = ParseDict(one, Event())
            event.sequence = number
            async with trail.database.system() as tx:
                await append(tx, event, "auth")
        async with trail.database.system() as tx:
            query = """SELECT row_to_json(a)::text || row_to_json(d)::text AS text
                       FROM audit_entries a JOIN audit_entries_droppable d USING (organization_id, id)
                       WHERE organization_id = %(o)s"""
            rows = [row["text"] for row in await tx.fetch(query, {"o": UUID(str(house.organization_id))})]
    assert len(rows) == len(told)
    for secret in [*secrets, *(digest.hex() for digest in digests)]:
        assert not [row for row in rows if secret in row]
