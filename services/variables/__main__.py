"""The variables service's process: `python -m services.variables [serve|migrate|ddl]`."""

import sys
from pathlib import Path

from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest

from framework.rpc.assembly import api, commands, keys_from, parts
from framework.rpc.channels import channel_to
from framework.rpc.server import Process, run
from framework.settings import ServiceSettings
from services.variables.application import application
from services.variables.resources import registry

MIGRATIONS = Path(__file__).parent / "migrations"


async def process(settings: ServiceSettings) -> Process:
    """Returns the API process."""
    peers = application(settings.program_address)
    made = await parts(settings, registry(), peers)
    auth = channel_to(settings.auth_address)
    keys = keys_from(AuthServiceStub(auth), GetJwksRequest())
    return api(made, MIGRATIONS, keys, close=[auth.close, peers.channel.close])


main = commands(registry(), MIGRATIONS, ServiceSettings)


@main.command()
def serve() -> None:
    """Serve the API."""
    settings = ServiceSettings()  # the environment gives the rest
    run(lambda: process(settings))


if __name__ == "__main__":
    main(sys.argv[1:] or ["serve"])
