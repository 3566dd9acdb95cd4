"""The audit service's process: `python -m services.audit [serve|migrate|ddl]`."""

import sys
from functools import partial
from pathlib import Path

from ashgrove.auth.v1 import auth_internal_service_pb2
from ashgrove.auth.v1.auth_internal_service_pb2_grpc import AuthInternalServiceStub
from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest
from pydantic import Field

from framework.events.tail import Consumer, Source
from framework.rpc.assembly import api, commands, keys_from, parts
from framework.rpc.peers import Peers
from framework.rpc.server import Process, run
from framework.settings import ServiceSettings
from services.audit.checkpoints import keep_signing
from services.audit.recorder import append
from services.audit.resources import registry
from services.audit.signing import signer_from

MIGRATIONS = Path(__file__).parent / "migrations"
SOURCES = ("auth", "program", "variables", "optimizer")


class AuditSettings(ServiceSettings):
    """What every service needs to know, and how often chains are signed."""

    checkpoint_seconds: float = Field(300.0, gt=0, description="How often each chain that has grown is signed.")


async def process(settings: AuditSettings) -> Process:
    """Returns the process: the API, and one follower for each service's feed."""
    made = await parts(settings, registry())
    peers = Peers(settings, "audit", SOURCES, AuthInternalServiceStub, auth_internal_service_pb2)
    keys = keys_from(AuthServiceStub(peers.channels["auth"]), GetJwksRequest())
    recorders = [recorder(source, peers.feed(source)) for source in SOURCES]
    signing = partial(keep_signing, made.database, signer_from(settings.secrets), settings.checkpoint_seconds)
    return api(
        made,
        MIGRATIONS,
        keys,
        consumers=recorders,
        background=[signing],
        auth_feed=peers.feed("auth"),
        close=[peers.close],
    )


def recorder(source: str, feed: Source) -> Consumer:
    """Returns what records a service's feed; nothing of it can be made again."""
    return Consumer(f"audit:{source}", feed, partial(append, source=source))


main = commands(registry(), MIGRATIONS, AuditSettings)


@main.command()
def serve() -> None:
    """Serve the API and record the feeds."""
    settings = AuditSettings()  # the environment gives the rest
    run(lambda: process(settings))


if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
