"""How settings are read: `ASHGROVE_*` variables, and for every secret a file that `…_FILE` names instead."""

from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

_LARGEST_BYTES = 64 * 1024


def _parted(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parted)]
"""Words that a variable names parted by commas."""


class Settings(BaseSettings):
    """Settings of any process: frozen, from the environment, and never quoted in an error."""

    model_config = SettingsConfigDict(
        env_prefix="ASHGROVE_", env_nested_delimiter="__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Returns where values come from, the first that has one wins: arguments, variables, files of secrets."""
        return init_settings, env_settings, _SecretFiles(settings_cls)


class _SecretFiles(EnvSettingsSource):
    """Reads `ASHGROVE_X_FILE` for each field X that is a secret."""

    def __call__(self) -> dict[str, Any]:
        named = {
            name: self.env_vars.get(f"{self.env_prefix}{name}_file".lower())
            for name, field in self.settings_cls.model_fields.items()
            if _is_secret(field)
        }
        return {name: _content(f"{self.env_prefix}{name}_FILE".upper(), path) for name, path in named.items() if path}


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in {field.annotation, *get_args(field.annotation)}


def _content(variable: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
        if len(raw) > _LARGEST_BYTES:
            raise ValueError(f"larger than {_LARGEST_BYTES} bytes")
        return raw.decode().strip()
    except (OSError, ValueError) as error:
        # A decoding error would quote what it could not read.
        why = "not text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise SettingsError(f"{variable} names a file that cannot be read: {why}") from None
