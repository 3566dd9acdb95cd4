"""Every setting of transport, egress and secrets is told about, and so is every secret's file."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from deploy.local.settings import StackSettings
from framework.settings import OutsideSettings, ServiceSettings, TlsSettings
from services.program.settings import ProgramSettings

TRANSPORT = Path("docs/transport.md").read_text()
EGRESS = Path("docs/egress-and-secrets.md").read_text()
GATEWAY = [name for name in StackSettings.model_fields if name.startswith(("tls", "gateway_", "allowed_"))]


@pytest.mark.parametrize("name", [*TlsSettings.model_fields, *GATEWAY])
def test_every_setting_of_tls_is_told_about(name: str) -> None:
    assert f"ASHGROVE_{name.upper()}" in TRANSPORT


@pytest.mark.parametrize("name", OutsideSettings.model_fields)
def test_every_setting_of_egress_and_secrets_is_told_about(name: str) -> None:
    assert f"ASHGROVE_{name.upper()}" in EGRESS


@pytest.mark.parametrize("kind", [ServiceSettings, ProgramSettings, StackSettings])
def test_every_secret_is_told_about_with_its_file(kind: type[ServiceSettings]) -> None:
    for name, field in kind.model_fields.items():
        if field.annotation in {SecretStr, SecretStr | None}:
            assert f"ASHGROVE_{name.upper()}_FILE" in TRANSPORT, name
