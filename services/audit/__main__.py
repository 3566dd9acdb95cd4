"""The audit service's process: `python -m services.audit [serve|retain|migrate|ddl]`."""

import asyncio
import sys
from functools import partial
from pathlib import Path

import click
from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import auth_internal_service_pb2
from ashgrove.auth.v1.auth_internal_service_pb2_grpc import AuthInternalServiceStub
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest
from pydantic import Field

from framework.events.feed import Feed
from framework.events.own import OwnFeed
from framework.events.tail import Consumer, Source
from framework.rpc.assembly import api, commands, keys_from, parts
from framework.rpc.feed_commands import opened
from framework.rpc.peers import Peers
from framework.rpc.server import Process, run
from framework.settings import ServiceSettings
from services.audit.checkpoints import keep_signing
from services.audit.registry import registry
from services.audit.retention import drop_payloads, keep_dropping
from services.audit.signing import signer_from
from services.audit.summaries import keep_telling, record

MIGRATIONS = Path(__file__).parent / "migrations"
SOURCES = ("auth", "program", "variables", "optimizer")


class AuditSettings(ServiceSettings):
    """What every service needs to know, and how often chains are signed."""

    checkpoint_seconds: float = Field(300.0, gt=0, description="How often each chain that has grown is signed.")
    audit_summary_seconds: int = Field(60, gt=0, description="How long a summary of the trail gathers what it counts.")
    audit_keep_days: int = Field(0, ge=0, description="How many days payloads are kept at least; 0: for ever.")
    audit_earlier_keys: str = Field("", description="Public keys that signed before, in base64url, by commas.")


async def process(settings: AuditSettings) -> Process:
    """Returns the process: the API, and one follower for each service's feed."""
    signer = signer_from(settings.secrets)
    trusted = frozenset({signer.public_key, *filter(None, settings.audit_earlier_keys.split(","))})
    made = await parts(settings, registry(), trusted)
    peers = Peers(settings, "audit", SOURCES, AuthInternalServiceStub, auth_internal_service_pb2)
    keys = keys_from(AuthArea(peers.channels["auth"]), GetJwksRequest())
    recorders = [recorder(source, peers.feed(source), settings.audit_summary_seconds) for source in SOURCES]
    # What is refused here and who exports the trail is told in the service's own feed.
    recorders.append(
        recorder("audit", OwnFeed(Feed(made.database, made.engine.recent)), settings.audit_summary_seconds)
    )
    signing = partial(keep_signing, made.database, signer, settings.checkpoint_seconds)
    summing = partial(keep_telling, made.database, settings.audit_summary_seconds)
    dropping = partial(keep_dropping, made.database, signer, settings.audit_keep_days)
    return api(
        made,
        MIGRATIONS,
        keys,
        consumers=recorders,
        background=[signing, summing, *([dropping] if settings.audit_keep_days else [])],
        auth_feed=peers.feed("auth"),
        close=[peers.close],
    )


def recorder(source: str, feed: Source, seconds: int) -> Consumer:
    """Returns what records a service's feed; nothing of it can be made again."""
    return Consumer(f"audit:{source}", feed, partial(record, source=source, seconds=seconds))


main = commands(registry(), MIGRATIONS, AuditSettings)


@main.command()
def serve() -> None:
    """Serve the API and record the feeds."""
    settings = AuditSettings()  # the environment gives the rest
    run(lambda: process(settings))


@main.command("retain", help="Drop the payloads of months that ended long ago; links stay, a signed entry tells of it.")
@click.option("--keep", type=click.IntRange(min=1), required=True, help="How many days payloads are kept at least.")
def retain(keep: int) -> None:
    """Drop old payloads once, whatever the setting says."""
    settings = AuditSettings()  # the environment gives the rest
    click.echo(f"the payloads of {asyncio.run(_retain(settings, keep))} months were dropped")


async def _retain(settings: AuditSettings, keep: int) -> int:
    async with opened(settings, "audit") as database:
        return await drop_payloads(database, signer_from(settings.secrets), keep)


if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
