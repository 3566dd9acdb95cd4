"""The audit service's process: `python -m services.audit [serve|migrate|ddl]`."""

import sys
from functools import partial
from pathlib import Path

from ashgrove.auth.v1 import auth_internal_service_pb2
from ashgrove.auth.v1.auth_internal_service_pb2_grpc import AuthInternalServiceStub
from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest
from grpc import aio

from framework.events.tail import Consumer, follow
from framework.rpc.assembly import Background, Parts, api, commands, keys_from, parts
from framework.rpc.channels import channel_to
from framework.rpc.feeds import PeerFeed
from framework.rpc.server import Process, run
from framework.rpc.service_tokens import ServiceTokens
from framework.settings import ServiceSettings
from services.audit.recorder import append
from services.audit.resources import registry

MIGRATIONS = Path(__file__).parent / "migrations"


async def process(settings: ServiceSettings) -> Process:
    """Returns the process: the API, and one follower for each service's feed."""
    made = await parts(settings, registry())
    channels = {
        "auth": channel_to(settings.auth_address),
        "program": channel_to(settings.program_address),
        "variables": channel_to(settings.variables_address),
        "optimizer": channel_to(settings.optimizer_address),
    }
    auth = channels["auth"]
    keys = keys_from(AuthServiceStub(auth), GetJwksRequest())
    followers = [follower(made, source, channel, _tokens(settings, auth)) for source, channel in channels.items()]
    close = [channel.close for channel in channels.values()]
    return api(made, MIGRATIONS, keys, background=followers, close=close)


def follower(made: Parts, source: str, channel: aio.Channel, tokens: ServiceTokens) -> Background:
    """Returns the work of recording a service's feed, which ends only when it is cancelled."""
    handle = partial(append, source=source)
    consumer = Consumer(f"audit:{source}", PeerFeed(source, channel, tokens), handle)
    return lambda: follow(consumer, made.database)


def _tokens(settings: ServiceSettings, auth: aio.Channel) -> ServiceTokens:
    secret = (settings.secrets / "audit.secret").read_text().strip()
    return ServiceTokens(AuthInternalServiceStub(auth), auth_internal_service_pb2, "audit", secret)


main = commands(registry(), MIGRATIONS, ServiceSettings)


@main.command()
def serve() -> None:
    """Serve the API and record the feeds."""
    settings = ServiceSettings()  # the environment gives the rest
    run(lambda: process(settings))


if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
