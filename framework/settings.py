"""The settings that every process of the platform shares; built in `__main__`, frozen, passed down."""

from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlencode, urlsplit

from pydantic import Field, FilePath, SecretStr, model_validator

from framework.environment import Settings, Words


class TlsSettings(Settings):
    """What a process shows to its peers and asks of them; without these, all of its connections are plain."""

    tls_certificate: FilePath | None = Field(None, description="This process's certificates, PEM, its own first.")
    tls_key: FilePath | None = Field(None, description="The private key of the first certificate, PEM.")
    tls_authority: FilePath | None = Field(None, description="The authority that vouches for every peer, PEM.")
    tls_mutual: bool = Field(True, description="Whether those who call must show a certificate as well.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        named = (self.tls_certificate, self.tls_key, self.tls_authority)
        if any(named) and not all(named):
            raise ValueError(
                "set all of ASHGROVE_TLS_CERTIFICATE, ASHGROVE_TLS_KEY and ASHGROVE_TLS_AUTHORITY, or none"
            )
        return self

    @property
    def tls(self) -> bool:
        """Whether listeners and channels speak TLS."""
        return self.tls_certificate is not None

    def with_files(self, url: str, names: tuple[str, str, str], asked: bool) -> str:
        """Returns a server's URL, when TLS is asked for with certificate, key and authority in it under their `names`.

        What the URL names already stays.
        """
        if not (self.tls and asked):
            return url
        files = zip(names, (self.tls_certificate, self.tls_key, self.tls_authority), strict=True)
        given = parse_qs(urlsplit(url).query)
        more = urlencode({name: str(file) for name, file in files if name not in given})
        return f"{url}{'&' if '?' in url else '?'}{more}" if more else url


class OutsideSettings(Settings):
    """What organizations may reach and use beyond the platform: hosts, and secrets that the operator keeps."""

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


class ServiceSettings(OutsideSettings, TlsSettings):
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

    @property
    def database(self) -> str:
        """The database's URL; where it says `sslmode`, with the process's own certificate and authority."""
        return self.secured(self.database_url)

    @property
    def redis(self) -> str:
        """The broker's URL; `rediss://` with the process's own certificate and authority."""
        url = self.redis_url.get_secret_value()
        return self.with_files(url, ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs"), url.startswith("rediss://"))

    def secured(self, database_url: str) -> str:
        """Returns a database's URL likewise."""
        return self.with_files(database_url, ("sslcert", "sslkey", "sslrootcert"), "sslmode=" in database_url)
