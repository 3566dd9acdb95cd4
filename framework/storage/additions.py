"""What declarations have that no migration of theirs names yet, as the SQL of the next one.

Additions only: tables, columns, constraints and indexes. What is renamed, retyped or dropped is its author's to write;
the contract suite holds what all migrations make against what the declarations derive.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from framework.resource import Registry
from framework.storage.ddl import ddl
from framework.storage.migrate import files

_TABLE = re.compile(r"^CREATE TABLE (\w+) \(\n", re.MULTILINE)
_INDEX = re.compile(r"^CREATE (?:UNIQUE )?INDEX (\w+) .*;$", re.MULTILINE)
_COMMENTS = re.compile(r"(?:\n--.*)+\s*$")


def additions(registry: Registry, folder: Path) -> str:
    """Returns the SQL of everything new, empty when there is nothing."""
    known = "\n".join(file.read_text() for file in files(folder))
    tables = {name for spec in registry.specs.values() for name in (spec.collection, f"{spec.collection}_revisions")}
    blocks = [(table, block) for table, block in _blocks(ddl(registry)) if table in tables]
    parts = [part for table, block in blocks for part in _new(table, block, known)]
    return "\n".join([*parts, ""]) if parts else ""


def next_migration(registry: Registry, folder: Path, name: str) -> Path | None:
    """Writes the next migration, and returns it; None when there is nothing to add."""
    sql = additions(registry, folder)
    if not sql:
        return None
    number = max((int(file.name[:4]) for file in files(folder)), default=0) + 1
    file = folder / f"{number:04}_{re.sub(r'[^a-z0-9]+', '_', name.lower())}.sql"
    file.write_text(f"-- Written from the declarations; read it before you keep it.\n\n{sql}")
    return file


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yields each table with all that is said of it, from its CREATE TABLE to the next."""
    found = list(_TABLE.finditer(text))
    ends = [later.start() for later in found[1:]] + [len(text)]
    for match, end in zip(found, ends, strict=True):
        yield match[1], _COMMENTS.sub("", text[match.start() : end].rstrip())


def _new(table: str, block: str, known: str) -> Iterator[str]:
    if not re.search(rf"\bCREATE TABLE (?:IF NOT EXISTS )?{table}\b", known):
        yield block
        return
    said = " ".join(s for s in known.split(";") if re.search(rf"\bTABLE (?:IF EXISTS |ONLY )*{table}\b", s))
    body = block.partition("(\n")[2].partition("\n);")[0]
    for line in (line.strip().rstrip(",") for line in body.split("\n")):
        kind, name = ("", line.split()[1]) if line.startswith("CONSTRAINT ") else ("COLUMN ", line.split()[0])
        if not line.startswith("PRIMARY KEY") and not re.search(rf"\b{name}\b", said):
            yield f"ALTER TABLE {table} ADD {kind}{line};"
    yield from (m[0] for m in _INDEX.finditer(block) if not re.search(rf"\bINDEX (?:\w+ )*{m[1]}\b", known))
