"""Secrets come from a variable or from a file that one names, and no error quotes them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from deploy.local.settings import StackSettings
from framework.environment import Settings
from framework.settings import ServiceSettings
from services.audit.__main__ import AuditSettings
from services.auth.application import LONGEST_ACCESS_SECONDS, AuthSettings
from services.program.settings import ProgramSettings
from tests.trust import Trust

ALL = (ServiceSettings, AuthSettings, ProgramSettings, AuditSettings, StackSettings)
NEEDED: dict[str, Any] = {
    "service_port": 1,
    "database_url": "postgresql://127.0.0.1:5432/ashgrove",
    "secrets": "secrets",
    **{f"{name}_address": "127.0.0.1:1" for name in ("auth", "program", "variables", "optimizer", "audit")},
}


def secret_fields(kind: type[Settings]) -> set[str]:
    return {name for name, field in kind.model_fields.items() if "SecretStr" in str(field.annotation)}


@pytest.mark.parametrize("kind", ALL)
def test_every_secret_may_be_in_a_file(kind: type[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = secret_fields(kind) - {"tenant_secret"}  # by its nature many: files of ASHGROVE_TENANT_SECRETS
    assert names
    for name in names:
        (tmp_path / name).write_text(f"the {name}\n")
        monkeypatch.delenv(f"ASHGROVE_{name.upper()}", raising=False)
        monkeypatch.setenv(f"ASHGROVE_{name.upper()}_FILE", str(tmp_path / name))
    settings = kind(**{k: v for k, v in NEEDED.items() if k in kind.model_fields and k not in names})
    for name in names:
        assert getattr(settings, name).get_secret_value() == f"the {name}"
        assert f"the {name}" not in repr(settings)


def test_the_variable_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("of the file")
    monkeypatch.setenv("ASHGROVE_REDIS_URL_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("ASHGROVE_REDIS_URL", "redis://of-the-variable")
    assert StackSettings().redis_url.get_secret_value() == "redis://of-the-variable"


def test_a_plain_setting_is_read_from_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "level").write_text("DEBUG")
    monkeypatch.setenv("ASHGROVE_LOG_LEVEL_FILE", str(tmp_path / "level"))
    assert StackSettings().log_level == "INFO"


@pytest.mark.parametrize("content", [None, b"\xff\xfecanary", b"canary" * 20_000])
def test_a_file_that_cannot_be_read_stops_the_start_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("ASHGROVE_REDIS_URL_FILE", str(file))
    with pytest.raises(SettingsError, match="ASHGROVE_REDIS_URL_FILE") as told:
        StackSettings()
    assert "canary" not in str(told.value)


def test_no_error_quotes_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="database_password") as told:
        ServiceSettings.model_validate(NEEDED | {"database_password": ["canary"], "redis_url": "redis://canary"})
    assert "canary" not in str(told.value)


def made(**changes: Any) -> ServiceSettings:
    given = NEEDED | {"database_password": "p", "redis_url": "redis://127.0.0.1:6379/0"} | changes
    return ServiceSettings.model_validate(given)


def test_urls_stay_as_they_are_where_no_tls_is_asked_for(tmp_path: Path) -> None:
    shown = Trust(tmp_path).settings("program").model_dump(exclude_none=True)
    for settings in (made(), made(**shown)):
        assert settings.database == NEEDED["database_url"]
        assert settings.redis == "redis://127.0.0.1:6379/0"
    assert made(redis_url="rediss://broker:6379").redis == "rediss://broker:6379"


def test_urls_that_ask_for_tls_get_the_files_unless_they_name_their_own(tmp_path: Path) -> None:
    shown = Trust(tmp_path).settings("program").model_dump(exclude_none=True)
    asked = "postgresql://db:5432/ashgrove?sslmode=verify-full&sslrootcert=system"
    settings = made(**shown, database_url=asked, redis_url=SecretStr("rediss://:p@broker:6379/0"))
    assert settings.database.startswith(f"{asked}&sslcert=")
    assert settings.database.count("sslrootcert") == 1
    assert {"ssl_certfile", "ssl_keyfile", "ssl_ca_certs"} <= {
        pair.partition("=")[0] for pair in settings.redis.partition("?")[2].split("&")
    }


@pytest.mark.parametrize("settings", [AuthSettings, StackSettings])
def test_no_access_token_outlives_what_the_gate_remembers(settings: Any) -> None:
    """A session that ended longer ago is forgotten, and its access token would hold again."""
    with pytest.raises(ValidationError) as refused:
        settings(access_token_seconds=LONGEST_ACCESS_SECONDS + 1)
    assert ("access_token_seconds",) in {each["loc"] for each in refused.value.errors()}
