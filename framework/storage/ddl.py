"""Writes the SQL that a set of declarations needs: tables, keys, walls and grants; printed for review, then kept."""

from collections.abc import Iterator

from framework.resource import Kind, Registry, ResourceSpec
from framework.resource.fields import Field
from framework.storage import droppable
from framework.storage.feed_schema import FEED

_ZERO = {
    Kind.TEXT: "''",
    Kind.ENUM: "''",
    Kind.INTEGER: "0",
    Kind.BIGINT: "0",
    Kind.DOUBLE: "0",
    Kind.BOOLEAN: "false",
}
_SQL = {kind: kind.value for kind in Kind} | {Kind.ENUM: "text"}

EVENTS = """
-- Unnumbered, in the transaction of the write; the sequencer numbers what has committed.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON outbox TO {service};
GRANT SELECT, INSERT, DELETE ON outbox TO {service}_system;

{feed}-- How far this service has read the feeds of others.
CREATE TABLE cursors (
    consumer text PRIMARY KEY,
    sequence bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON cursors TO {service}_system;
"""

REPLAYS = """
-- What was answered to requests that carry an id, for a day.
CREATE TABLE replays (
    organization_id uuid NOT NULL,
    actor text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL,
    body_hash bytea NOT NULL,
    response bytea,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, actor, method, request_id)
);
CREATE INDEX replays_recorded_at ON replays (recorded_at);"""

# An exception is made for rows that go with what they are a part of, which by then is gone.
_FROZEN = """\
CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql{path} AS
    $$ BEGIN{unless} RAISE EXCEPTION 'rows of {table} are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse();"""


def ddl(registry: Registry) -> str:
    """Returns the whole schema of a service, in the order that its references need."""
    service = registry.service
    parts = [f"-- The schema of the {service} service, as its declarations derive it.\n"]
    parts += ["\n".join(_resource(registry, spec)) for spec in _ordered(registry)]
    events = EVENTS.format(service=service, feed=FEED.format(service=service))
    return "\n".join([*parts, events, REPLAYS, *walls("replays", service, tenant=True), ""])


def _ordered(registry: Registry) -> list[ResourceSpec]:
    pending = list(registry.specs.values())
    done: list[ResourceSpec] = []
    while pending:
        made = {s.collection for s in done}
        spec = next(s for s in pending if set(s.storage.references.values()) - {s.collection} <= made)
        pending.remove(spec)
        done.append(spec)
    return done


def _resource(registry: Registry, spec: ResourceSpec) -> Iterator[str]:
    service = registry.service
    if spec.storage.droppable:
        yield from _in_halves(spec, service)
        return
    yield f"CREATE TABLE {spec.collection} ("
    yield ",\n".join(f"    {line}" for line in _lines(spec))
    yield ");"
    yield from _indexes(spec)
    yield from walls(spec.collection, service, tenant=spec.tenant, append_only=spec.storage.append_only)
    if "Purge" in registry.actions(spec).values():
        yield from _purging(spec, service)
    if spec.storage.append_only:
        path = " SET search_path FROM CURRENT" if spec.storage.part_of else ""
        yield _FROZEN.format(table=spec.collection, path=path, unless="".join(_going_with(spec)))
    if spec.revisioned:
        yield from _revisions(spec, service)


def _in_halves(spec: ResourceSpec, service: str) -> Iterator[str]:
    """Yields what a resource needs of which some columns can be let go: both tables, and the view that is both."""
    lines = list(_lines(spec))
    for table, create in droppable.tables(spec, lines):
        yield create
        if table.endswith("_kept"):
            yield from _indexes(spec, table)
        yield from walls(table, service, tenant=spec.tenant, append_only=True)
        yield _FROZEN.format(table=table, path="", unless="")
    yield from droppable.view(spec, lines, service)


def _lines(spec: ResourceSpec) -> Iterator[str]:
    if spec.tenant:
        yield "organization_id uuid NOT NULL"
    for field in spec.fields.values():
        yield _column(field)
    yield "lock_version bigint NOT NULL DEFAULT 1"
    for name, kind in spec.storage.hidden.items():
        yield f"{name} {kind}"
    yield f"PRIMARY KEY ({_key(spec, 'id')})"
    for name, target in spec.storage.references.items():
        columns = _key(spec, name)
        constraint = f"CONSTRAINT {spec.collection}_{name}_fkey FOREIGN KEY ({columns})"
        going = " ON DELETE CASCADE" if name in spec.storage.part_of else ""
        yield f"{constraint} REFERENCES {target} ({_key(spec, 'id')}){going}"


def _column(field: Field) -> str:
    if field.name in ("created_at", "updated_at"):
        return f"{field.name} timestamptz NOT NULL DEFAULT now()"
    if field.name == "id":
        return "id uuid NOT NULL"
    default = "" if field.nullable else f" NOT NULL DEFAULT {_ZERO[field.kind]}" if field.kind in _ZERO else " NOT NULL"
    return f"{field.name} {_SQL[field.kind]}{default}"


def _key(spec: ResourceSpec, *columns: str) -> str:
    return ", ".join(("organization_id", *columns) if spec.tenant else columns)


def _indexes(spec: ResourceSpec, table: str = "") -> Iterator[str]:
    table = table or spec.collection
    for columns in spec.storage.unique:
        where = " WHERE archived_at IS NULL" if spec.archivable else ""
        name = f"{spec.collection}_{'_'.join(columns)}_key"
        yield f"CREATE UNIQUE INDEX {name} ON {table} ({_key(spec, *columns)}){where};"
    if "created_at" in spec.fields:
        yield f"CREATE INDEX {spec.collection}_created_at ON {table} ({_key(spec, 'created_at', 'id')});"
    for columns in spec.storage.indexes:
        yield f"CREATE INDEX {spec.collection}_{'_'.join(columns)} ON {table} ({_key(spec, *columns)});"


def walls(table: str, service: str, *, tenant: bool, append_only: bool = False) -> Iterator[str]:
    """Yields the grants of a table and, for tenants' rows, forced row-level security."""
    yield f"GRANT SELECT, INSERT{'' if append_only else ', UPDATE'} ON {table} TO {service};"
    yield f"GRANT SELECT, INSERT{'' if append_only else ', UPDATE, DELETE'} ON {table} TO {service}_system;"
    if tenant:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY;"
        mine = "organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid"
        yield f"CREATE POLICY tenant ON {table} TO {service} USING ({mine}) WITH CHECK ({mine});"
        yield f"CREATE POLICY system ON {table} TO {service}_system USING (true) WITH CHECK (true);"


def _purging(spec: ResourceSpec, service: str) -> Iterator[str]:
    """Yields what lets a service delete rows: archived ones only, whatever its statements say.

    What is a part of a row goes with it by its foreign key, so no service may delete that by itself.
    """
    yield f"GRANT DELETE ON {spec.collection} TO {service};"
    yield f"CREATE POLICY purge ON {spec.collection} AS RESTRICTIVE FOR DELETE TO {service}"
    yield "    USING (archived_at IS NOT NULL);"


def _going_with(spec: ResourceSpec) -> Iterator[str]:
    for name in spec.storage.part_of:
        tenant = "organization_id = OLD.organization_id AND " if spec.tenant else ""
        gone = f"NOT EXISTS (SELECT FROM {spec.storage.references[name]} WHERE {tenant}id = OLD.{name})"
        yield f"""
        IF TG_OP = 'DELETE' THEN
            IF {gone} THEN RETURN OLD; END IF;
        END IF;
       """


def _revisions(spec: ResourceSpec, service: str) -> Iterator[str]:
    table = f"{spec.collection}_revisions"
    yield f"CREATE TABLE {table} ("
    yield "    organization_id uuid NOT NULL,\n    id uuid NOT NULL,\n    revision bigint NOT NULL,"
    yield "    content jsonb NOT NULL,\n    content_hash text NOT NULL,"
    yield "    created_at timestamptz NOT NULL DEFAULT now(),"
    yield "    PRIMARY KEY (organization_id, id, revision),"
    yield f"    CONSTRAINT {table}_id_fkey FOREIGN KEY (organization_id, id)"
    yield f"        REFERENCES {spec.collection} (organization_id, id) ON DELETE CASCADE"
    yield ");"
    yield from walls(table, service, tenant=True)
