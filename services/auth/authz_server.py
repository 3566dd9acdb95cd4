"""The ext_authz process: loads every credential, follows the changes, answers Envoy until told to stop."""

from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from grpc import aio

from framework.rpc import tracing
from framework.rpc.server import Process
from framework.storage import Database
from services.auth.application import AuthSettings, application_of
from services.auth.authz import Authorization
from services.auth.buckets import Buckets
from services.auth.credentials import Credentials
from services.auth.gate_measures import GateMeasures
from services.auth.gatekeeper import Gatekeeper
from services.auth.limits import Limits
from services.auth.refresh import Refresher
from services.auth.refusals import Refusals
from services.auth.uses import Uses

_CONNECTIONS = 2


async def authz_process(settings: AuthSettings) -> Process:
    """Returns the process; it is healthy from the first load on, and as long as its memory is current."""
    tracing.start(settings, "authz")
    application = application_of(settings)
    password = settings.database_password.get_secret_value()
    database = Database(settings.database, password, "auth", size=_CONNECTIONS)
    await database.open()
    credentials = Credentials()
    uses = Uses(database)
    gatekeeper = Gatekeeper(credentials, application.tokens, application.pepper, uses.note)
    refresher = Refresher(database, credentials, gatekeeper)
    # A memory older than an access token may live knows nothing for sure any more.
    patience = float(settings.access_token_seconds)
    buckets = Buckets(settings.redis)
    limits, refusals = Limits(buckets, settings.rates), Refusals(database)
    measures = GateMeasures(lambda: buckets.shared, refresher.age, tracing.readers(settings))
    servicer = Authorization(gatekeeper, limits, refusals, refresher.age, patience, refresher.renew)

    def add(server: aio.Server) -> None:
        external_auth_pb2_grpc.add_AuthorizationServicer_to_server(servicer, server)

    async def current() -> None:
        if refresher.age() > patience:
            raise RuntimeError("the credentials in memory are not current")

    return Process(
        "authz",
        settings.service_host,
        settings.service_port,
        servicers=[add],
        services=[external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].full_name],
        ready=[current],
        background=[refresher.follow, uses.follow, refusals.follow, measures.run],
        close=[uses.write, refusals.write, buckets.close, database.close],
        drain_seconds=settings.drain_seconds,
        log_level=settings.log_level,
        tls=settings,
    )
