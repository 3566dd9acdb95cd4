"""The settings that every process of the platform shares; built in `__main__`, frozen, passed down."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What a service process needs to know; read from `ASHGROVE_*` variables once, at start."""

    model_config = SettingsConfigDict(env_prefix="ASHGROVE_", frozen=True, extra="ignore")

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
