"""The settings that every process of the platform shares; built in `__main__`, frozen, passed down."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _parted(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parted)]
"""Words that a variable names parted by commas."""


class OutsideSettings(BaseSettings):
    """What organizations may reach and use beyond the platform: hosts, and secrets that the operator keeps."""

    model_config = SettingsConfigDict(
        env_prefix="ASHGROVE_", env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    egress_hosts: Words = Field(
        (), description="Public hosts that may be called, such as *.example.com; any when empty."
    )
    egress_allow: Words = Field((), description="Own hosts or networks, such as models.internal:8000 or 10.1.0.0/16.")
    egress_ca: Path | None = Field(None, description="A PEM file of authorities trusted beside the public ones.")
    tenant_secrets: Path | None = Field(None, description="The folder of what secret://NAMESPACE/NAME refers to.")
    tenant_secret: dict[str, dict[str, SecretStr]] = Field(
        {},
        description="The same by variables: ASHGROVE_TENANT_SECRET__NAMESPACE__NAME; for a file's namesake, the file.",
    )
    secret_grants: Path | None = Field(None, description="A JSON file: organization id to the namespaces it may use.")


class ServiceSettings(OutsideSettings):
    """What a service process needs to know; read from `ASHGROVE_*` variables once, at start."""

    service_host: str = Field("127.0.0.1", description="The address to listen on.")
    service_port: int = Field(description="The port to listen on.")
    database_url: str = Field(description="The database without a user, such as postgresql://127.0.0.1:5432/ashgrove.")
    database_password: SecretStr = Field(description="The password of every service's database roles.")
    redis_url: SecretStr = Field(description="The Redis-compatible server for live hints; they are best effort.")
    auth_address: str = Field(description="host:port of the auth service.")
    program_address: str = Field(description="host:port of the program service.")
    variables_address: str = Field(description="host:port of the variables service.")
    optimizer_address: str = Field(description="host:port of the optimizer service.")
    audit_address: str = Field(description="host:port of the audit service.")
    secrets: Path = Field(description="The folder of secrets: pepper, page token key and each service's own secret.")
    admin_database_url: SecretStr | None = Field(None, description="A superuser's URL; for `migrate` only.")
    pool_size: int = Field(8, description="Database connections per process.")
    feed_days: int = Field(7, ge=1, description="How many days of events are kept at least, consumers or not.")
    streams_per_caller: int = Field(1_000, gt=0, description="Streams that one caller may have open in one process.")
    streams_per_organization: int = Field(10_000, gt=0, description="Streams of one organization, likewise.")
    drain_seconds: float = Field(5.0, description="How long calls may finish after SIGTERM.")
    failpoint: str = Field("", description="For crash tests only: where this process dies, such as feed.numbered=3.")
    log_level: str = Field("INFO", description="The least severe log line that is written.")
    otlp_endpoint: str = Field(
        "", description="Where spans and metrics go by OTLP/http, such as http://127.0.0.1:4318."
    )
    trace_ratio: float = Field(1.0, ge=0, le=1, description="The share of the traces begun here that is sent.")
