"""The commands about feeds that every service has: how far consumers are, letting one go, making what is kept anew."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import click

from framework.events.measures import flow_of
from framework.events.retention import forget_consumer
from framework.events.tail import Consumer, rebuild
from framework.settings import ServiceSettings
from framework.storage import Database

Consumers = Callable[[ServiceSettings], Sequence[Consumer]]
Settings = Callable[[], ServiceSettings]


def add_feed_commands(group: click.Group, service: str, settings: Settings, consumers: Consumers) -> None:
    """Adds `lag`, `forget-consumer` and `rebuild`; `consumers` returns those by which this service follows others."""

    @group.command("lag", help="Say how far each consumer of this service's feed is behind.")
    def _lag() -> None:
        click.echo("\n".join(asyncio.run(_lags(settings(), service))))

    @group.command("forget-consumer", help="Keep no more events for a consumer that is gone for good.")
    @click.argument("consumer")
    def _forget(consumer: str) -> None:
        if not asyncio.run(_forgotten(settings(), service, consumer)):
            raise click.ClickException(f"there is no consumer {consumer}; see `lag`")

    @group.command("rebuild", help="Make what this service keeps of another's rows anew, such as access:program.")
    @click.argument("name", default="")
    def _rebuild(name: str) -> None:
        click.echo(asyncio.run(_rebuilt(settings(), service, consumers, name)))


@asynccontextmanager
async def opened(settings: ServiceSettings, service: str) -> AsyncIterator[Database]:
    """Opens a service's database for a command."""
    database = Database(settings.database, settings.database_password.get_secret_value(), service, size=2)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _lags(settings: ServiceSettings, service: str) -> list[str]:
    async with opened(settings, service) as database:
        flow = await flow_of(database)
    lines = [f"{lag.consumer:<40}{lag.events:>10} events{lag.seconds:>10.1f} s" for lag in flow.lags]
    return [f"event {flow.sequence}, {flow.depth} not numbered yet", *lines]


async def _forgotten(settings: ServiceSettings, service: str, consumer: str) -> bool:
    async with opened(settings, service) as database:
        return await forget_consumer(database, consumer)


async def _rebuilt(settings: ServiceSettings, service: str, consumers: Consumers, name: str) -> str:
    known = {consumer.name: consumer for consumer in consumers(settings) if consumer.resources}
    if name not in known:
        raise click.ClickException(f"{service} can rebuild {', '.join(known) or 'nothing'}")
    async with opened(settings, service) as database:
        count = await rebuild(known[name], database)
    return f"{name} is made of {count} rows"
