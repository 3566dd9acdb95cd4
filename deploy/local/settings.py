"""What the embedded stack may be told; read from `ASHGROVE_*` variables once, by `deploy.local`."""

from pathlib import Path
from typing import Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from framework.environment import Settings, Words

ROOT = Path(__file__).resolve().parent.parent.parent


class StackSettings(Settings):
    """Where the stack lives, on which ports, and which servers are somebody else's."""

    home: Path = Field(ROOT / ".run", description="State, logs, secrets and data.")
    port: int = Field(8080, description="The gateway's port.")
    # Below the ports that the kernel gives to connections: one of those would be taken now and then.
    base_port: int = Field(15051, description="The first of the services' ports; they follow each other.")
    program_workers: int = Field(2, ge=1, le=16, description="How many processes run programs.")
    database_url: SecretStr = Field(
        SecretStr(""), description="An external PostgreSQL, with a superuser; none is started."
    )
    redis_url: SecretStr = Field(SecretStr(""), description="An external Redis or Valkey; none is started then.")
    access_token_seconds: int = Field(900, ge=1, le=86_400, description="How long access tokens hold, a day at most.")
    identity_token_seconds: int = Field(60, ge=1, le=60, description="How long identity tokens hold.")
    allowed_origins: Words = Field((), description="Origins whose pages may call, parted by commas; `*` is any.")
    tls: bool = Field(False, description="Whether every listener and channel speaks TLS; certificates are in home/tls.")
    gateway_certificate: FilePath | None = Field(None, description="With TLS: what the gateway shows instead, PEM.")
    gateway_key: FilePath | None = Field(None, description="Its private key, PEM.")
    gateway_clients: FilePath | None = Field(None, description="With TLS: the authority of clients' certificates.")
    lm: str = Field("", description="The default model; local/nearest-demo when empty.")
    lm_base_url: str = Field("", description="The OpenAI-compatible endpoint of every other model.")
    lm_api_key: SecretStr = Field(SecretStr(""), description="That endpoint's key.")
    otlp_endpoint: str = Field("", description="The collector of spans and metrics, such as http://127.0.0.1:4318.")
    trace_ratio: float = Field(1.0, ge=0, le=1, description="The share of calls without a trace that begin one.")
    log_level: str = Field("INFO", description="The least severe log line that services write.")

    @field_validator("home")
    @classmethod
    def absolute(cls, home: Path) -> Path:
        """Makes the home absolute: the servers run in other folders."""
        return home.expanduser().absolute()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.gateway_certificate) != bool(self.gateway_key):
            raise ValueError("set both of ASHGROVE_GATEWAY_CERTIFICATE and ASHGROVE_GATEWAY_KEY, or none")
        if (self.gateway_certificate or self.gateway_clients) and not self.tls:
            raise ValueError("the gateway's certificates need ASHGROVE_TLS=true")
        return self
