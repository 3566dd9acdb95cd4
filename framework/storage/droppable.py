"""Tables of which some columns are let go month by month, while the rows stay: the SQL of both halves and their view.

Readers and writers know one relation, the view. What stays is `…_kept`; what goes lies in monthly partitions of
`…_droppable`, which are opened when the first row of a month is written, and dropped whole.
"""

from collections.abc import Iterator

from framework.resource import ResourceSpec

_OPEN = """\
-- Opens the partition of a month; the first row of a month asks for it.
CREATE FUNCTION {table}_open(instant timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    month timestamp := date_trunc('month', instant AT TIME ZONE 'utc');
    part text := '{table}_droppable_' || to_char(month, 'YYYYMM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(current_schema || ':{table}'));
    -- Asked as rows are: what to_regclass remembers may be older than whoever had the lock before.
    IF NOT EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = current_schema::regnamespace) THEN
        EXECUTE format('CREATE TABLE %I (LIKE {table}_droppable INCLUDING DEFAULTS)', part);
        EXECUTE format('ALTER TABLE {table}_droppable ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
                       month AT TIME ZONE 'utc', (month + interval '1 month') AT TIME ZONE 'utc');
    END IF;
END $$;
REVOKE ALL ON FUNCTION {table}_open FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {table}_open TO {service}, {service}_system;"""

_DROP = """\
-- Drops the months that end before an instant; returns how many went.
CREATE FUNCTION {table}_drop(instant timestamptz) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    part text;
    gone integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(current_schema || ':{table}'));
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '{table}_droppable'::regclass
              AND (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'utc' <= instant
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        gone := gone + 1;
    END LOOP;
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION {table}_drop FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {table}_drop TO {service}_system;"""

_INSERT = """\
CREATE FUNCTION {table}_insert() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF to_regclass('{table}_droppable_' || to_char(NEW.created_at AT TIME ZONE 'utc', 'YYYYMM')) IS NULL THEN
        PERFORM {table}_open(NEW.created_at);
    END IF;
    INSERT INTO {table}_kept ({kept}) VALUES ({new_kept});
    INSERT INTO {table}_droppable ({gone}) VALUES ({new_gone});
    RETURN NEW;
END $$;
CREATE TRIGGER halves INSTEAD OF INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_insert();
GRANT SELECT, INSERT ON {table} TO {service};
GRANT SELECT, INSERT ON {table} TO {service}_system;"""


def tables_behind(spec: ResourceSpec) -> list[str]:
    """Returns the tables that hold a resource's rows: its own, or both halves."""
    return [f"{spec.collection}{half}" for half in (("_kept", "_droppable") if spec.storage.droppable else ("",))]


def halves(spec: ResourceSpec, lines: list[str]) -> tuple[list[str], list[str]]:
    """Returns the lines of CREATE TABLE for what stays and for what goes, out of those for the whole."""
    named = {line.split()[0]: line for line in lines}
    kept = [line for name, line in named.items() if name not in spec.storage.droppable]
    gone = [named["organization_id"], named["id"], named["created_at"].partition(" DEFAULT")[0]]
    gone += [named[name] for name in spec.storage.droppable]
    return kept, [*gone, "PRIMARY KEY (organization_id, id, created_at)"]


def view(spec: ResourceSpec, lines: list[str], service: str) -> Iterator[str]:
    """Yields the view that is both halves, and what lets rows be written through it."""
    table = spec.collection
    columns = {line.split()[0]: line for line in lines if not line.startswith("PRIMARY KEY")}
    going = ["organization_id", "id", "created_at", *spec.storage.droppable]
    kept = [name for name in columns if name not in spec.storage.droppable]
    selected = ", ".join(f"{'gone' if name in spec.storage.droppable else 'kept'}.{name}" for name in columns)
    yield f"CREATE VIEW {table} WITH (security_invoker = true) AS"
    yield f"    SELECT {selected}"
    yield f"    FROM {table}_kept AS kept LEFT JOIN {table}_droppable AS gone"
    yield "    ON gone.organization_id = kept.organization_id AND gone.id = kept.id"
    yield "    AND gone.created_at = kept.created_at;"
    for name, line in columns.items():
        default = line.partition(" DEFAULT ")[2]
        if default:
            yield f"ALTER VIEW {table} ALTER COLUMN {name} SET DEFAULT {default};"
    names = {"kept": kept, "gone": going}
    filled = {name: ", ".join(columns) for name, columns in names.items()}
    filled |= {f"new_{name}": ", ".join(f"NEW.{column}" for column in columns) for name, columns in names.items()}
    for template in (_OPEN, _DROP, _INSERT):
        yield template.format(table=table, service=service, **filled)


def tables(spec: ResourceSpec, lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yields both tables by name, each with its CREATE TABLE."""
    kept, gone = halves(spec, lines)
    described = ((kept, ""), (gone, " PARTITION BY RANGE (created_at)"))
    for name, (its, partitioned) in zip(tables_behind(spec), described, strict=True):
        yield name, "\n".join([f"CREATE TABLE {name} (", ",\n".join(f"    {line}" for line in its), f"){partitioned};"])
