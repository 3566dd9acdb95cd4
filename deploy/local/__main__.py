"""`python -m deploy.local`: the embedded stack's commands."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import psutil
from rich.console import Console

from deploy.local.certificates import DAYS
from deploy.local.faults import StackFault
from deploy.local.leftovers import end_leftovers
from deploy.local.processes import SERVICES
from deploy.local.report import table
from deploy.local.settings import StackSettings
from deploy.local.state import State
from deploy.local.tls_files import TlsFiles

console = Console()


@click.group()
@click.pass_context
def main(context: click.Context) -> None:
    """Run Ashgrove on this machine: PostgreSQL, Valkey, the services and Envoy, all on loopback."""
    context.obj = StackSettings()


@main.command()
@click.option("--detach", is_flag=True, help="Return when it is ready; `down` stops it.")
@click.pass_obj
def up(settings: StackSettings, *, detach: bool) -> None:
    """Start the stack, or find the one that runs."""
    from deploy.local import supervisor

    if found := State(settings.home).supervisor():
        console.print("already running:")
        _show_when_ready(settings, lambda: found.alive)
    elif detach:
        started = supervisor.detach(settings)
        _show_when_ready(settings, lambda: started.poll() is None, started.pid)
    else:
        try:
            supervisor.Supervisor(settings, console).run()
        except StackFault as fault:
            raise click.ClickException(str(fault)) from fault


def _show_when_ready(settings: StackSettings, lives: Callable[[], bool], pid: int | None = None) -> None:
    log = settings.home / "logs" / "supervisor.log"
    with console.status("starting Ashgrove …"):
        while not _is_ready(settings, pid):
            if not lives():
                raise click.ClickException(f"it did not start; its last words, in {log}:\n{_end_of(log)}")
            time.sleep(0.1)
    console.print(table(State(settings.home).read()))


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:] if log.exists() else "(none)"


def _is_ready(settings: StackSettings, supervisor: int | None) -> bool:
    known = {p.name: p for p in State(settings.home).read()}
    # What a killed stack wrote down does not count for the one that has just been started.
    return "envoy" in known and supervisor in (None, known["supervisor"].pid)


@main.command()
@click.pass_obj
def down(settings: StackSettings) -> None:
    """Stop the stack cleanly."""
    found = State(settings.home).supervisor()
    if found is None:
        left = end_leftovers(settings.home)
        console.print(f"stopped what a killed stack had left: {', '.join(left)}" if left else "nothing runs")
        return
    os.kill(found.pid, signal.SIGTERM)
    with console.status("stopping …"):
        while found.alive:
            time.sleep(0.1)
    console.print("stopped")


@main.command()
@click.pass_obj
def status(settings: StackSettings) -> None:
    """Say what runs, where, how much memory it takes and who is behind; exit code 1 when nothing does."""
    if State(settings.home).supervisor() is None:
        console.print("nothing runs; start it with `make up`")
        sys.exit(1)
    from deploy.local.feeds import behind

    processes = State(settings.home).read()
    console.print(table(processes, behind=behind(settings.home, processes, settings.database_url.get_secret_value())))


@main.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def logs(settings: StackSettings, names: tuple[str, ...]) -> None:
    """Follow the logs of all processes, or of those named."""
    folder = settings.home / "logs"
    files = [folder / f"{n}.log" for n in names] or sorted(folder.glob("*.log"))
    os.execvp("tail", ["tail", "-n", "20", "-F", *map(str, files)])


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("service")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(settings: StackSettings, service: str, words: tuple[str, ...]) -> None:
    """Run a command of a service as the running stack would, such as `run auth rotate-signing-key`."""
    running = {p.name: p for p in State(settings.home).read() if p.alive}
    if service not in running or service not in SERVICES:
        known = ", ".join(SERVICES)
        raise click.ClickException(f"no service {service} runs here: start the stack with `make up`; there are {known}")
    told = psutil.Process(running[service].pid).environ()
    os.execve(sys.executable, [sys.executable, "-m", f"services.{service}", *words], told)


@main.command()
@click.pass_obj
def migrate(settings: StackSettings) -> None:
    """Apply every service's migrations to the database of ASHGROVE_DATABASE_URL."""
    from deploy.local.migrations import migrate_all
    from deploy.local.processes import Servers
    from deploy.local.supervisor import database_password

    url = settings.database_url.get_secret_value()
    if not url:
        raise click.ClickException(
            "`make up` migrates its own database; set ASHGROVE_DATABASE_URL to migrate another one"
        )
    servers = Servers(url, url, database_password(settings.home), "redis://127.0.0.1")
    migrate_all(servers, settings)
    console.print("current")


@main.command()
@click.pass_obj
def certificates(settings: StackSettings) -> None:
    """Make a new authority and certificates for development in home/tls; with ASHGROVE_TLS=true, `up` uses them."""
    files = TlsFiles(settings)
    made = files.make()
    console.print(f"made {', '.join(made)} in {files.folder}; good for {DAYS} days", soft_wrap=True)


if __name__ == "__main__":
    main()
