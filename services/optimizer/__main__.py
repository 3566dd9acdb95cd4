"""The optimizer's processes: `python -m services.optimizer [serve|worker|migrate|ddl]`."""

import sys
from pathlib import Path

from ashgrove.areas import AuthArea
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest

from framework.events.tail import Consumer
from framework.rpc import assembly
from framework.rpc.feeds import PeerFeed
from framework.rpc.server import Process, run
from framework.settings import ServiceSettings
from services.optimizer.access import clear, project
from services.optimizer.application import Application, application
from services.optimizer.closing import Closer
from services.optimizer.external.sweeping import Sweeper
from services.optimizer.registry import registry
from services.optimizer.worker import Worker

MIGRATIONS = Path(__file__).parent / "migrations"


async def api(settings: ServiceSettings) -> Process:
    """Returns the API process, which also keeps the projection of who may see which program."""
    peers = application(settings)
    made = await assembly.parts(settings, registry(), peers)
    keys = assembly.keys_from(AuthArea(peers.channels["auth"]), GetJwksRequest())
    auth = PeerFeed("auth", peers.channels["auth"], peers.tokens)
    return assembly.api(made, MIGRATIONS, keys, consumers=consumers(peers), auth_feed=auth, close=[peers.close])


def consumers(peers: Application) -> list[Consumer]:
    """Returns who follows the feeds of others here."""
    programs = PeerFeed("program", peers.channels["program"], peers.tokens)
    return [Consumer("access:program", programs, project, ["program"], clear)]


async def worker(settings: ServiceSettings) -> Process:
    """Returns a worker process."""
    peers = application(settings)
    made = await assembly.parts(settings, registry(), peers)
    return assembly.worker(
        made,
        MIGRATIONS,
        background=[Worker(made, peers).run, Sweeper(made).run, Closer(made.database, peers).run],
        close=[peers.close],
    )


main = assembly.commands(registry(), MIGRATIONS, ServiceSettings, lambda settings: consumers(application(settings)))


@main.command("serve")
def _serve() -> None:
    """Serve the API."""
    run(lambda: api(ServiceSettings()))


@main.command("worker")
def _worker() -> None:
    """Work on runs."""
    run(lambda: worker(ServiceSettings()))


if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
