"""The auth service's processes and acts: `python -m services.auth --help`; without a word it serves."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from framework.errors import NotFound
from framework.rpc.assembly import commands
from framework.rpc.server import run
from framework.storage import Database
from services.auth import resetting
from services.auth.application import AuthSettings, application_of
from services.auth.bootstrap import found_first
from services.auth.keyring import rotate
from services.auth.registry import registry
from services.auth.secrets import make_missing
from services.auth.tokens import ALLOWED_CLOCK_DIFFERENCE

MIGRATIONS = Path(__file__).parent / "migrations"
main = commands(registry(), MIGRATIONS, AuthSettings)


@main.command()
def serve() -> None:
    """Serve the RPCs of auth."""
    from services.auth.server import auth_process

    run(lambda: auth_process(AuthSettings(), MIGRATIONS))


@main.command()
def authz() -> None:
    """Serve ext_authz: Envoy asks it about every call."""
    from services.auth.authz_server import authz_process

    run(lambda: authz_process(AuthSettings()))


@main.command()
def bootstrap() -> None:
    """Make what a first start lacks: secrets, the operator, the organization `default`, and a key file of each."""
    asyncio.run(_bootstrap(AuthSettings()))


@main.command("rotate-signing-key")
@click.option("--compromised", is_flag=True, help="Let nothing hold that an older key signed, from now on.")
def rotate_signing_key(*, compromised: bool) -> None:
    """Sign with a new key; what the old one signed holds until it ends, unless that key may be in other hands."""
    settings = AuthSettings()
    kid = rotate(settings.secrets, 0 if compromised else settings.access_token_seconds + ALLOWED_CLOCK_DIFFERENCE)
    click.echo(f"signing with {kid}; every process notices within a minute")


@main.command("reset-password")
@click.argument("email")
def reset_password(email: str) -> None:
    """End the password and the sessions of whoever signs in with EMAIL, and print what sets another, within an hour."""
    try:
        click.echo(asyncio.run(_reset(AuthSettings(), email)))
    except NotFound:
        raise click.ClickException(f"nobody signs in as {email}; people come in by an invitation") from None


@asynccontextmanager
async def _database(settings: AuthSettings) -> AsyncIterator[Database]:
    database = Database(settings.database, settings.database_password.get_secret_value(), "auth", size=2)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def _reset(settings: AuthSettings, email: str) -> str:
    async with _database(settings) as database:
        return await resetting.reset_password(database, email)


async def _bootstrap(settings: AuthSettings) -> None:
    for name in make_missing(settings.secrets):
        click.echo(f"made {name}")
    application = application_of(settings)
    async with _database(settings) as database:
        made = await found_first(database, registry(), application.pepper, settings.home)
    for path in made:
        click.echo(f"the {path.stem}'s API key is in {path}")
    if not made:
        click.echo("the platform is founded already")


if __name__ == "__main__":
    main.main(sys.argv[1:] or ["serve"], prog_name="python -m services.auth")
