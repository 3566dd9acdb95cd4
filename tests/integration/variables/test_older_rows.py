"""What migrations make of rows that are older than they."""

import shutil
from pathlib import Path
from uuid import UUID

import psycopg

from framework.identifiers import new_id
from framework.storage.migrate import migrate
from framework.testing.workbench import PASSWORD

MIGRATIONS = Path("services/variables/migrations")
LATER = "0006"
"""The first migration that knows which configurations say the same."""


def test_of_configurations_that_say_the_same_the_first_stays_in_use(postgres_url: str, tmp_path: Path) -> None:
    """In every organization by itself."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE older_rows")
    url = f"{postgres_url.rsplit('/', 1)[0]}/older_rows"
    for file in MIGRATIONS.glob("*.sql"):
        if file.name < LATER:
            shutil.copy(file, tmp_path)
    migrate(url, "variables", PASSWORD, tmp_path)
    organizations = [new_id(), new_id()]
    with psycopg.connect(url, autocommit=True) as connection:
        kept = [_kept(connection, organization, each) for organization in organizations for each in ("a", "a", "b")]
        migrate(url, "variables", PASSWORD, MIGRATIONS)
        query = "SELECT id FROM variables.variable_configurations WHERE archived_at IS NULL"
        in_use = {row[0] for row in connection.execute(query)}
    # Ids of the same millisecond are in no order: the first is the one with the lower id.
    assert in_use == {min(kept[0:2]), kept[2], min(kept[3:5]), kept[5]}


def _kept(connection: psycopg.Connection, organization: UUID, content: str) -> UUID:
    """Writes a configuration of the organization's one space."""
    identifier = new_id()
    connection.execute(
        """INSERT INTO variables.variable_spaces (organization_id, id) VALUES (%(o)s, %(o)s)
           ON CONFLICT DO NOTHING""",
        {"o": organization},
    )
    connection.execute(
        """INSERT INTO variables.variable_configurations
               (organization_id, id, name, owner_id, variable_space_id, variable_space_revision, content_hash)
           VALUES (%(o)s, %(id)s, %(name)s, %(o)s, %(o)s, 1, %(hash)s)""",
        {"o": organization, "id": identifier, "name": str(identifier), "hash": content},
    )
    return identifier
