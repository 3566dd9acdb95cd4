"""The variables service's process: `python -m services.variables [serve|migrate|ddl]`."""

import sys
from pathlib import Path

from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import auth_internal_service_pb2
from ashgrove.auth.v1.auth_internal_service_pb2_grpc import AuthInternalServiceStub
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest

from framework.events.rollups import counters
from framework.events.tail import Consumer
from framework.rpc.assembly import api, commands, keys_from, parts
from framework.rpc.peers import Peers
from framework.rpc.server import Process, run
from framework.settings import ServiceSettings
from services.variables.application import application
from services.variables.registry import registry

MIGRATIONS = Path(__file__).parent / "migrations"


async def process(settings: ServiceSettings) -> Process:
    """Returns the API process, which also counts the runs of each space."""
    peers = peers_of(settings)
    made = await parts(settings, registry(), application(peers.channels))
    keys = keys_from(AuthArea(peers.channels["auth"]), GetJwksRequest())
    feed, close = peers.feed("auth"), [peers.close]
    return api(made, MIGRATIONS, keys, consumers=consumers_of(peers), auth_feed=feed, close=close)


def peers_of(settings: ServiceSettings) -> Peers:
    """Connects to the services whose feeds this one follows, and to those that it asks as its callers."""
    names = ("auth", "optimizer", "program")
    return Peers(settings, "variables", names, AuthInternalServiceStub, auth_internal_service_pb2)


def consumers_of(peers: Peers) -> list[Consumer]:
    """Returns who follows the feeds of others here."""
    return counters(registry(), {"optimizer": peers.feed("optimizer")})


main = commands(registry(), MIGRATIONS, ServiceSettings, lambda settings: consumers_of(peers_of(settings)))


@main.command()
def serve() -> None:
    """Serve the API."""
    settings = ServiceSettings()  # the environment gives the rest
    run(lambda: process(settings))


if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
