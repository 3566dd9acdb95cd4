"""Where the client finds the gateway and its key; the one place of the client that reads the environment."""

from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ClientSettings(BaseSettings):
    """The gateway's address and the caller's key; the embedded stack's own key is found by itself."""

    model_config = SettingsConfigDict(env_prefix="ASHGROVE_", frozen=True, extra="ignore")

    port: int = Field(8080, description="The port of a gateway on this machine.")
    address: str = Field("", description="host:port of the gateway; a local one on `port` when empty.")
    api_key: SecretStr = Field(SecretStr(""), description="The API key; the one in `home` when empty.")
    api_key_file: Path | None = Field(None, description="A file that holds the key.")
    home: Path = Field(Path(".run"), description="The home of the embedded stack.")
    organization: str = Field(
        "", description="Which organization calls are for, by id; the one signed in to when empty."
    )
    session_file: Path | None = Field(None, description="Where `ashgrove login` keeps its session; in `home` if none.")
    tls: bool = Field(False, description="Whether the gateway speaks TLS.")
    tls_authority: Path | None = Field(
        None, description="Who vouches for the gateway, PEM; public authorities if none."
    )
    tls_certificate: Path | None = Field(None, description="What is shown to a gateway that asks for it, PEM.")
    tls_key: Path | None = Field(None, description="Its private key, PEM.")

    @property
    def gateway(self) -> str:
        """The gateway's host:port."""
        return self.address or f"127.0.0.1:{self.port}"

    @property
    def key_given(self) -> bool:
        """Whether somebody named a key: then no session counts."""
        return bool(self.api_key.get_secret_value() or self.api_key_file)

    @property
    def session(self) -> Path:
        """The file of the session that `ashgrove login` began."""
        return self.session_file or self.home / "session.json"

    def credentials(self) -> Any:
        """Returns what a channel shows and accepts as gRPC's credentials, None without TLS.

        Without an authority named, the public ones count, for a gateway on this machine the embedded stack's own.
        """
        if not self.tls:
            return None
        import grpc

        local = self.home / "tls" / "ca.pem"
        authority = self.tls_authority or (local if not self.address and local.exists() else None)
        files = (authority, self.tls_key, self.tls_certificate)
        root, key, certificate = (file.read_bytes() if file else None for file in files)
        return grpc.ssl_channel_credentials(root, key, certificate)

    def key(self) -> str:
        """Returns the API key; raises FileNotFoundError with the remedy when there is none."""
        given = self.api_key.get_secret_value()
        if not given and self.api_key_file:
            return self.api_key_file.read_text().strip()
        file = self.home / "admin.key"
        if not given and not file.exists():
            raise FileNotFoundError(
                f"no API key: set ASHGROVE_API_KEY, sign in by `ashgrove login`, or start the stack that writes {file} "
                "(`make up`)"
            )
        return given or file.read_text().strip()
