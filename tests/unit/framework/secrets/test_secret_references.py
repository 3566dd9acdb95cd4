"""References resolve where the operator granted the namespace, and tell whoever tries to steal nothing at all."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.secrets import SecretReferences
from framework.secrets.files import LARGEST_BYTES
from framework.settings import OutsideSettings

OURS, THEIRS = new_id(), new_id()
CANARY = "canary-b3f0c1"


class Vault:
    """A folder of secrets with grants beside it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "tenant-secrets"
        self.grants = root / "grants.json"
        self.keep("models", "openai", "sk-ours")
        self.keep("theirs", "openai", CANARY)
        self.grant({OURS: ["models"], THEIRS: ["theirs"]})
        self.references = SecretReferences(OutsideSettings(tenant_secrets=self.folder, secret_grants=self.grants))

    def keep(self, namespace: str, name: str, value: str) -> Path:
        file = self.folder / namespace / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
        return file

    def grant(self, granted: dict[UUID, list[str]]) -> None:
        self.grants.write_text(json.dumps({str(organization): names for organization, names in granted.items()}))

    def value(self, reference: str, organization: UUID = OURS) -> str:
        return self.references.resolve(organization, reference).get_secret_value()

    def refusal(self, reference: str, organization: UUID = OURS) -> str:
        with pytest.raises(InvalidFields) as refused:
            self.references.resolve(organization, reference, "connector.api_key")
        assert [v.path for v in refused.value.violations] == ["connector.api_key"]
        return refused.value.message


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def test_a_granted_reference_resolves_without_the_line_end(vault: Vault) -> None:
    vault.keep("models", "anthropic", "sk-two\n")
    assert vault.value("secret://models/openai") == "sk-ours"
    assert vault.value("secret://models/anthropic") == "sk-two"


def test_a_secret_does_not_show_itself(vault: Vault) -> None:
    secret = vault.references.resolve(OURS, "secret://models/openai")
    assert isinstance(secret, SecretStr)
    assert "sk-ours" not in f"{secret} {secret!r}"


STEALING = {
    "missing": "secret://models/nothing",
    "another's namespace": "secret://theirs/openai",
    "nobody's namespace": "secret://nowhere/openai",
    "traversal": "secret://models/../theirs/openai",
    "traversal as a namespace": "secret://../theirs",
    "encoded traversal": "secret://models/%2e%2e%2ftheirs%2fopenai",
    "absolute": "secret://models//etc/hostname",
    "a path": "/etc/hostname",
    "a file": "file:///etc/hostname",
    "a variable": "env://PATH",
    "NUL": "secret://models/openai\0",
    "a line after it": "secret://models/openai\n",
    "blanks": " secret://models/openai ",
    "upper case": "secret://MODELS/openai",
    "a look-alike": "secret://m\u043edels/openai",
    "full width": "secret://models/\uff4fpenai",
    "a digit of another script": "secret://models/openai\u0663",
    "huge": "secret://models/" + "a" * 1_000_000,
    "empty": "",
    "a query": "secret://models/openai?version=1",
    "a user": "secret://theirs@models/openai",
    "backslash": "secret://models\\openai",
    "hidden": "secret://models/.openai",
}


@pytest.mark.parametrize("reference", STEALING.values(), ids=STEALING.keys())
def test_whatever_does_not_resolve_is_answered_with_one_sentence(vault: Vault, reference: str) -> None:
    told = vault.refusal(reference)
    assert told == vault.refusal("secret://models/missing")
    assert CANARY not in told


def test_an_organization_without_grants_has_none(vault: Vault) -> None:
    assert vault.refusal("secret://models/openai", new_id()) == vault.refusal("secret://models/missing")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    return Vault(tmp_path_factory.mktemp("vault"))


@given(st.text("abcdeilmnoprst/._-%~\\\0 \u2024\uff0f", max_size=40).filter(lambda text: text != "openai"))
def test_no_text_leads_to_anything_else(untouched: Vault, text: str) -> None:
    for reference in (text, f"secret://{text}", f"secret://models/{text}", f"secret://models/openai/{text}"):
        if reference != "secret://models/openai":
            assert CANARY not in untouched.refusal(reference)


PLANTED: dict[str, Callable[[Vault, Path], None]] = {
    "a link out": lambda vault, at: at.symlink_to("/etc/hostname"),
    "a link to another namespace": lambda vault, at: at.symlink_to("../theirs/openai"),
    "a link in a circle": lambda vault, at: at.symlink_to(at.name),
    "a folder": lambda vault, at: at.mkdir(),
    "a pipe": lambda vault, at: os.mkfifo(at),
    "larger than allowed": lambda vault, at: at.write_text("x" * (LARGEST_BYTES + 1)) and None,
    "with NUL": lambda vault, at: at.write_bytes(b"a\0b") and None,
    "not text": lambda vault, at: at.write_bytes(b"\xff\xfe") and None,
    "empty": lambda vault, at: at.write_bytes(b"\n") and None,
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_what_is_no_small_file_of_the_namespace_does_not_resolve(
    vault: Vault, plant: Callable[[Vault, Path], None]
) -> None:
    plant(vault, vault.folder / "models" / "planted")
    assert vault.refusal("secret://models/planted") == vault.refusal("secret://models/missing")


def test_a_namespace_that_is_a_link_does_not_resolve(vault: Vault) -> None:
    (vault.folder / "linked").symlink_to("theirs")
    vault.grant({OURS: ["linked"]})
    assert vault.refusal("secret://linked/openai")


def test_links_inside_the_namespace_are_followed_as_kubernetes_makes_them(vault: Vault) -> None:
    vault.keep("models/..2026_01", "mounted", "first")
    vault.keep("models/..2026_02", "mounted", "second")
    data = vault.folder / "models" / "..data"
    data.symlink_to("..2026_01")
    (vault.folder / "models" / "mounted").symlink_to("..data/mounted")
    assert vault.value("secret://models/mounted") == "first"
    data.unlink()
    data.symlink_to("..2026_02")
    assert vault.value("secret://models/mounted") == "second"


def test_what_is_rotated_or_withdrawn_holds_from_the_next_use_on(vault: Vault) -> None:
    vault.keep("models", "openai", "sk-new")
    assert vault.value("secret://models/openai") == "sk-new"
    vault.grant({THEIRS: ["theirs", "models"]})
    assert vault.refusal("secret://models/openai")
    assert vault.value("secret://models/openai", THEIRS) == "sk-new"
    vault.grant({OURS: ["models"]})
    assert vault.value("secret://models/openai") == "sk-new"


@pytest.mark.parametrize("broken", ["{", '{"nobody": ["models"]}', '["models"]', "{" + " " * 5_000_000 + "}"])
def test_grants_that_are_broken_grant_nothing_and_say_so_once(
    vault: Vault, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    vault.grants.write_text(broken)
    with caplog.at_level(logging.ERROR):
        assert vault.refusal("secret://models/openai") == vault.refusal("secret://models/missing")
    assert len(caplog.records) == 1
    vault.grants.unlink()
    assert vault.refusal("secret://models/openai")


def test_variables_of_the_strict_prefix_resolve_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASHGROVE_TENANT_SECRET__MODELS__OPENAI", "sk-of-the-environment")
    monkeypatch.setenv("ASHGROVE_DATABASE_PASSWORD", CANARY)
    (tmp_path / "grants.json").write_text(json.dumps({str(OURS): ["models", "path", "database"]}))
    references = SecretReferences(OutsideSettings(secret_grants=tmp_path / "grants.json"))
    assert references.resolve(OURS, "secret://models/openai").get_secret_value() == "sk-of-the-environment"
    for reference in ("secret://database/password", "secret://models/ashgrove_database_password", "secret://path/path"):
        with pytest.raises(InvalidFields):
            references.resolve(OURS, reference)
    with pytest.raises(InvalidFields):
        references.resolve(THEIRS, "secret://models/openai")
