"""The next migration is what the declarations have and no earlier one names."""

from pathlib import Path

import pytest

from framework.resource import Registry
from framework.storage.additions import additions, next_migration
from framework.storage.ddl import ddl
from framework.storage.migrate import files
from framework.testing.specimen import registry
from services.describe import registries


@pytest.mark.parametrize("declared", registries(), ids=[r.service for r in registries()])
def test_no_service_lacks_a_migration(declared: Registry) -> None:
    """`python -m services.<area> migration <what>` writes it."""
    assert additions(declared, Path("services") / declared.service / "migrations") == ""


@pytest.mark.parametrize("declared", registries(), ids=[r.service for r in registries()])
def test_migrations_have_one_head(declared: Registry) -> None:
    """No two of a service have one number, so that their order is what their authors meant."""
    numbers = [file.name[:4] for file in files(Path("services") / declared.service / "migrations")]
    assert numbers == [f"{n:04}" for n in range(1, len(numbers) + 1)]


def test_a_new_table_comes_whole(tmp_path: Path) -> None:
    """With its keys, walls and grants; the file has the next number, and then there is nothing to add."""
    whole = ddl(registry())
    (tmp_path / "0007_earlier.sql").write_text(whole.replace("TABLE pieces", "TABLE others"))
    written = next_migration(registry(), tmp_path, "Pieces of specimens")
    assert written is not None and written.name == "0008_pieces_of_specimens.sql"
    text = written.read_text()
    start = text.index("CREATE TABLE pieces (")
    assert text[start:].strip() in whole
    assert "ROW LEVEL SECURITY" in text and "GRANT SELECT" in text
    assert "CREATE TABLE specimens" not in text and "outbox" not in text
    assert next_migration(registry(), tmp_path, "again") is None


def test_columns_and_indexes_are_added_one_by_one(tmp_path: Path) -> None:
    """To a table that is there, wherever it was made and changed before."""
    lines = ddl(registry()).splitlines(keepends=True)
    left = [x for x in lines if not x.startswith(("    ratio ", "    hint ")) and "INDEX specimens_created_at" not in x]
    (tmp_path / "0001_first.sql").write_text("".join(left))
    (tmp_path / "0002_hint.sql").write_text("ALTER TABLE specimens\n    ADD COLUMN hint text;\n")
    added = additions(registry(), tmp_path).splitlines()
    assert [line.split(" (")[0] for line in added] == [
        "ALTER TABLE specimens ADD COLUMN ratio double precision NOT NULL DEFAULT 0;",
        "CREATE INDEX specimens_created_at ON specimens",
    ]
