"""Where the client finds the gateway and its key; the one place of the client that reads the environment."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ClientSettings(BaseSettings):
    """The gateway's address and the caller's key; the embedded stack's own key is found by itself."""

    model_config = SettingsConfigDict(env_prefix="ASHGROVE_", frozen=True, extra="ignore")

    port: int = Field(8080, description="The port of a gateway on this machine.")
    address: str = Field("", description="host:port of the gateway; a local one on `port` when empty.")
    api_key: SecretStr = Field(SecretStr(""), description="The API key; the one in `home` when empty.")
    home: Path = Field(Path(".run"), description="The home of the embedded stack.")

    @property
    def gateway(self) -> str:
        """The gateway's host:port."""
        return self.address or f"127.0.0.1:{self.port}"

    def key(self) -> str:
        """Returns the API key; raises FileNotFoundError with the remedy when there is none."""
        given = self.api_key.get_secret_value()
        file = self.home / "admin.key"
        if not given and not file.exists():
            raise FileNotFoundError(
                f"no API key: set ASHGROVE_API_KEY, or start the stack that writes {file} (`make up`)"
            )
        return given or file.read_text().strip()
