"""Puts a service process together: what every service's `__main__` would otherwise repeat."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
from ashgrove.event.v1 import event_feed_service_pb2, event_feed_service_pb2_grpc
from grpc import aio

from framework import failpoints
from framework.engine import Engine
from framework.engine.replay import forget
from framework.engine.writing import told_of
from framework.events.feed import Feed, FeedServicer
from framework.events.hints import Hints
from framework.events.measures import Measures
from framework.events.retention import Retention
from framework.events.sequencer import Sequencer
from framework.events.snapshot import Snapshots
from framework.events.tail import Consumer, Source, follow
from framework.query import Seal
from framework.resource import Registry
from framework.rpc import tracing
from framework.rpc.current import current
from framework.rpc.ending import follow_own, follow_revocations
from framework.rpc.feed_commands import Consumers, add_feed_commands
from framework.rpc.identity import FetchKeys, Verifier
from framework.rpc.open_streams import OpenStreams
from framework.rpc.server import Process
from framework.rpc.servicer import handlers_of
from framework.settings import ServiceSettings
from framework.storage import Database
from framework.storage.additions import next_migration
from framework.storage.ddl import ddl
from framework.storage.migrate import check_current, migrate

FEED = event_feed_service_pb2.DESCRIPTOR.services_by_name["EventFeedService"].full_name
Background = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Parts:
    """The parts of a process that its own code may need."""

    settings: ServiceSettings
    database: Database
    hints: Hints
    engine: Engine


async def parts(settings: ServiceSettings, registry: Registry, application: Any = None) -> Parts:
    """Opens the database and makes the engine; a failpoint that a test set is armed before anything happens."""
    failpoints.arm(settings.failpoint)
    tracing.start(settings, registry.service)
    password = settings.database_password.get_secret_value()
    database = Database(settings.database, password, registry.service, size=settings.pool_size)
    await database.open()
    hints = Hints(settings.redis)
    key = bytes.fromhex((settings.secrets / "page-token.key").read_text().strip())
    return Parts(settings, database, hints, Engine(registry, database, hints, Seal(key), application))


def api(
    made: Parts,
    migrations: Path,
    fetch_keys: FetchKeys,
    *,
    servicers: Sequence[Callable[[aio.Server], None]] = (),
    background: Sequence[Background] = (),
    close: Sequence[Background] = (),
    auth_feed: Source | None = None,
    consumers: Sequence[Consumer] = (),
) -> Process:
    """Returns an API process: the registry's methods, the event feed, the sequencer, and what is given besides.

    `auth_feed` is what ends streams whose caller lost the credential, the service's own for auth itself; `consumers`
    follow the feeds of others.
    """
    engine, database = made.engine, made.database
    snapshots = Snapshots(database, engine.registry, told_of)
    feed = FeedServicer(Feed(database, engine.recent), snapshots, current)

    def add_feed(server: aio.Server) -> None:
        event_feed_service_pb2_grpc.add_EventFeedServiceServicer_to_server(feed, server)

    return Process(
        made.engine.registry.service,
        made.settings.service_host,
        made.settings.service_port,
        Verifier(fetch_keys),
        OpenStreams(made.settings.streams_per_caller, made.settings.streams_per_organization),
        handlers=handlers_of(made.engine),
        servicers=[add_feed, *servicers],
        services=[*(served.full_name for served in engine.registry.served), FEED],
        ready=[made.database.ping, lambda: check_current(made.database, migrations)],
        background=[
            Sequencer(database, made.hints).run,
            Retention(database, made.settings.feed_days).run,
            engine.recent.run,
            made.hints.run,
            lambda: forget(database),
            Measures(database, engine.recent.watchers, tracing.readers(made.settings)).run,
            partial(follow_revocations, auth_feed, engine) if auth_feed else partial(follow_own, engine),
            *(partial(follow, consumer, database) for consumer in consumers),
            *background,
        ],
        close=[*close, made.hints.close, made.database.close],
        drain_seconds=made.settings.drain_seconds,
        log_level=made.settings.log_level,
        tls=made.settings,
    )


def worker(
    made: Parts, migrations: Path, *, background: Sequence[Background], close: Sequence[Background] = ()
) -> Process:
    """Returns a worker process: a health port, and its work in the background."""
    return Process(
        f"{made.engine.registry.service}-worker",
        made.settings.service_host,
        made.settings.service_port,
        ready=[made.database.ping, lambda: check_current(made.database, migrations)],
        background=[made.hints.run, *background],
        close=[*close, made.hints.close, made.database.close],
        drain_seconds=made.settings.drain_seconds,
        log_level=made.settings.log_level,
        tls=made.settings,
    )


def keys_from(stub: Any, request: Any) -> FetchKeys:
    """Returns what fetches auth's public keys through its stub's `GetJwks`."""
    from google.protobuf.json_format import MessageToDict

    async def fetch() -> Sequence[Mapping[str, Any]]:
        answer = await stub.GetJwks(request, timeout=5.0)
        return [MessageToDict(key) for key in answer.keys]

    return fetch


def commands(
    registry: Registry,
    migrations: Path,
    settings: Callable[[], ServiceSettings],
    consumers: Consumers = lambda settings: (),
) -> click.Group:
    """Returns the commands that every service has: about schema and feeds; the service adds `serve` and its own."""
    group = click.Group(name=f"services.{registry.service}", help=f"The {registry.service} service.")

    @group.command("ddl", help="Print the schema that the declarations derive.")
    def _ddl() -> None:
        click.echo(ddl(registry))

    @group.command("migration", help="Write the next migration: what the declarations have and no migration names yet.")
    @click.argument("name")
    def _migration(name: str) -> None:
        written = next_migration(registry, migrations, name)
        click.echo(f"{written.name}: read it before you keep it" if written else "nothing to add")

    @group.command("migrate", help="Apply what is new to the database of ASHGROVE_ADMIN_DATABASE_URL.")
    def _migrate() -> None:
        given = settings()
        if given.admin_database_url is None:
            raise click.ClickException("set ASHGROVE_ADMIN_DATABASE_URL to a superuser's URL")
        password = given.database_password.get_secret_value()
        done = migrate(
            given.secured(given.admin_database_url.get_secret_value()), registry.service, password, migrations
        )
        click.echo("\n".join(done) or "current")

    @group.command("failpoints", help="List the places at which tests may have this service's processes killed.")
    def _failpoints() -> None:
        found = failpoints.declared(f"services.{registry.service}")
        click.echo("\n".join(f"{name:<22}{stands}" for name, stands in found.items()))

    add_feed_commands(group, registry.service, settings, consumers)
    return group
