"""The auth service's processes and acts: `python -m services.auth --help`."""

import logging
import sys
from pathlib import Path

import click
import uvloop

from services.auth.application import AuthSettings

MIGRATIONS = Path(__file__).parent / "migrations"


@click.group(invoke_without_command=True)
@click.pass_context
def main(context: click.Context) -> None:
    """Organizations, users, keys, tokens and grants. Settings come from ASHGROVE_* variables; serves by default."""
    if context.invoked_subcommand is None:
        context.invoke(serve)


@main.command()
def serve() -> None:
    """Serve the RPCs of auth."""
    from services.auth.server import serve_auth

    uvloop.run(serve_auth(_settings(), MIGRATIONS))


@main.command()
def authz() -> None:
    """Serve ext_authz: Envoy asks it about every call."""
    from services.auth.authz_server import serve_authz

    uvloop.run(serve_authz(_settings()))


@main.command()
def migrate() -> None:
    """Make roles and schema, and apply the migrations that are new."""
    from framework.storage.migrate import migrate as apply

    settings = _settings()
    if settings.admin_database_url is None:
        raise click.ClickException("ASHGROVE_ADMIN_DATABASE_URL is missing: migrations make roles and a schema")
    password = settings.database_password.get_secret_value()
    for name in apply(settings.admin_database_url.get_secret_value(), "auth", password, MIGRATIONS):
        click.echo(f"applied {name}")


@main.command()
def bootstrap() -> None:
    """Make what a first start lacks: secrets, the organization `default`, its administrator and the key file."""
    uvloop.run(_bootstrap(_settings()))


@main.command()
def ddl() -> None:
    """Print the schema that the declarations derive, for the review of migrations."""
    from framework.storage.ddl import ddl as derived
    from services.auth.resources import registry

    click.echo(derived(registry()), nl=False)


async def _bootstrap(settings: AuthSettings) -> None:
    from framework.storage import Database
    from services.auth.application import application_of
    from services.auth.bootstrap import found_first
    from services.auth.resources import registry
    from services.auth.secrets import make_missing

    for name in make_missing(settings.secrets):
        click.echo(f"made {name}")
    application = application_of(settings)
    database = Database(settings.database_url, settings.database_password.get_secret_value(), "auth", size=2)
    await database.open()
    try:
        path = await found_first(database, registry(), application.pepper, settings.home)
    finally:
        await database.close()
    click.echo(f"the administrator's API key is in {path}" if path else "there is an organization already")


def _settings() -> AuthSettings:
    settings = AuthSettings()
    logging.basicConfig(
        stream=sys.stderr, level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    return settings


if __name__ == "__main__":
    main()
