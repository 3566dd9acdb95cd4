"""Which processes make the stack, in the order in which they need each other."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import grpc

from deploy.local import ready
from deploy.local.settings import ROOT, StackSettings
from deploy.local.tls_files import TlsFiles

SERVICES = ("auth", "program", "variables", "optimizer", "audit")


@dataclass(frozen=True)
class ProcessPlan:
    """One process to run: how it starts and how one knows that it is ready."""

    name: str
    command: tuple[str, ...]
    port: int
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    drain: Callable[[], None] | None = None
    """What asks it to finish before it is told to stop."""


@dataclass(frozen=True)
class Servers:
    """What the processes connect to."""

    database_url: str
    admin_database_url: str
    database_password: str
    redis_url: str


def ports(settings: StackSettings) -> dict[str, int]:
    """Returns the port of each service process."""
    names = ["auth", "program", "variables", "optimizer", "audit", "authz", "optimizer-worker"]
    names += [f"program-worker-{i + 1}" for i in range(settings.program_workers)]
    return {name: settings.base_port + i for i, name in enumerate(names)}


def service_plans(settings: StackSettings, servers: Servers) -> list[ProcessPlan]:
    """Returns the plans of the services, their workers and ext_authz."""
    roles = {"auth": ("auth", "serve"), "authz": ("auth", "authz"), "program": ("program", "serve")}
    roles |= {"variables": ("variables", "serve"), "optimizer": ("optimizer", "serve"), "audit": ("audit", "serve")}
    roles |= {f"program-worker-{i + 1}": ("program", "worker") for i in range(settings.program_workers)}
    roles |= {"optimizer-worker": ("optimizer", "worker")}
    at = ports(settings)
    shared = environment(settings, servers)
    tls = TlsFiles(settings) if settings.tls else None
    plans = []
    for name, (service, role) in roles.items():
        shown = "authz" if name == "authz" else service
        told = shared | {"ASHGROVE_SERVICE_PORT": str(at[name])} | (tls.environment(shown) if tls else {})
        channel_to = partial(tls.channel, service=shown) if tls else grpc.insecure_channel
        command = (sys.executable, "-m", f"services.{service}", role)
        plans.append(ProcessPlan(name, command, at[name], partial(ready.is_serving, at[name], channel_to), told))
    return plans


def environment(settings: StackSettings, servers: Servers) -> dict[str, str]:
    """Returns the whole environment of a service process: what it is told, and what a process needs to live."""
    at = ports(settings)
    told = {f"ASHGROVE_{s.upper()}_ADDRESS": f"127.0.0.1:{at[s]}" for s in SERVICES}
    told |= {
        "ASHGROVE_HOME": str(settings.home),
        "ASHGROVE_SECRETS": str(settings.home / "secrets"),
        "ASHGROVE_DATABASE_URL": servers.database_url,
        "ASHGROVE_DATABASE_PASSWORD": servers.database_password,
        "ASHGROVE_REDIS_URL": servers.redis_url,
        "ASHGROVE_ACCESS_TOKEN_SECONDS": str(settings.access_token_seconds),
        "ASHGROVE_IDENTITY_TOKEN_SECONDS": str(settings.identity_token_seconds),
        "ASHGROVE_LOG_LEVEL": settings.log_level,
        "ASHGROVE_OTLP_ENDPOINT": settings.otlp_endpoint,
        "ASHGROVE_TRACE_RATIO": str(settings.trace_ratio),
        "ASHGROVE_LM_API_KEY": settings.lm_api_key.get_secret_value(),
        "ASHGROVE_LM_BASE_URL": settings.lm_base_url,
        "ASHGROVE_LM": settings.lm,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
        "PYTHONUNBUFFERED": "1",
    }
    inherited = {k: v for k, v in os.environ.items() if k in _NEEDED | TUNING or k.startswith(_NEEDED_PREFIXES)}
    return inherited | {k: v for k, v in told.items() if v}


_NEEDED = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "VIRTUAL_ENV"}
_NEEDED_PREFIXES = ("OPENBLAS_", "OMP_", "ASHGROVE_TENANT_SECRET__")
TUNING = {
    f"ASHGROVE_{name}"
    for name in (
        *("KEY_RATE", "KEY_BURST", "ORGANIZATION_RATE", "ORGANIZATION_BURST", "ANONYMOUS_RATE", "ANONYMOUS_BURST"),
        *("STREAMS_PER_CALLER", "STREAMS_PER_ORGANIZATION", "SESSION_SECONDS", "CHECKPOINT_SECONDS", "FEED_DAYS"),
        *("POOL_SIZE", "DRAIN_SECONDS", "TRACE_PROMPTS"),
        *("LM_INPUT_MICROS", "LM_OUTPUT_MICROS", "LM_CONNECTIONS", "EXAMPLES_AT_ONCE", "EVALUATIONS_AT_ONCE"),
        *("EXECUTION_KEEP_DAYS", "MODEL_CALL_KEEP_DAYS"),
        *("AUDIT_KEEP_DAYS", "AUDIT_SUMMARY_SECONDS", "AUDIT_EARLIER_KEYS"),
        *("EGRESS_HOSTS", "EGRESS_ALLOW", "EGRESS_CA", "TENANT_SECRETS", "SECRET_GRANTS"),
    )
}
"""What services may be told beyond what the stack decides; passed on as it is."""


def envoy_plan(settings: StackSettings, binary: Path, configuration: Path, admin_port: int) -> ProcessPlan:
    """Returns the plan of the gateway."""
    command = [
        str(binary),
        "-c",
        str(configuration),
        "--concurrency",
        "2",
        "--disable-hot-restart",
        "--drain-time-s",
        "2",
    ]
    command += ["--file-flush-interval-msec", "500", "--log-level", "warning"]
    return ProcessPlan(
        "envoy",
        tuple(command),
        settings.port,
        lambda: ready.is_live(admin_port) and ready.upstreams_are_healthy(admin_port),
        {"PATH": "/usr/bin:/bin"},
        lambda: ready.drain(admin_port),
    )
