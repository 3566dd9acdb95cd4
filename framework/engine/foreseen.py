"""Writes whose outcome is known beforehand but for its times: neither the row nor its event is waited for.

A row is usually read back, and its event is made of what was read. Here both are one statement, which travels with the
commit; the times, which only the database knows, it puts into the event itself.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from framework.call import Context
from framework.engine.writing import about, left_out
from framework.resource import Kind, ResourceSpec
from framework.storage import Expression, as_json, codec_of
from framework.storage.rows import bare

if TYPE_CHECKING:
    from framework.engine.calls import Call

# As protobuf reads it; by itself it would leave out zeros at the end.
_TIME = """to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def foreseen(spec: ResourceSpec, row: Mapping[str, Any], columns: Mapping[str, Any]) -> Any:
    """Returns what a row becomes by these columns, as a message without times; those may be expressions, no others."""
    computed = {name for name, value in columns.items() if isinstance(value, Expression)}
    assert not spec.revisioned and computed & spec.fields.keys() <= {*_times(spec)}, "only times are not foreseen"
    known = {name: bare(value) for name, value in {**row, **columns}.items() if name not in computed}
    return codec_of(spec).message({name: value for name, value in known.items() if name not in _times(spec)})


async def written(
    call: "Call", told: tuple[str, Mapping[str, Any]], *, tells: bool, durable: bool = True
) -> Sequence[Mapping[str, Any]]:
    """Runs what `telling` returns: in the open transaction, or as one by itself, which is `durable` or not."""
    if call.alone:
        return await call.database.write(call.context.organization_id, *told, call.seconds, durable=durable)
    async with call.transaction() as tx:
        return await tx.answer(await tx.leave(*told, tells=tells))


def telling(
    spec: ResourceSpec,
    context: Context,
    what: str,
    write: tuple[str, Mapping[str, Any]],
    message: Any,
    paths: Sequence[str] = (),
    old: Any = None,
) -> tuple[str, dict[str, Any]]:
    """Returns a statement that writes a row and leaves the event of it.

    `message` is what was foreseen. The answer is the row's times and its `lock_version`, or nothing where no row was
    written: then nothing is told either.
    """
    statement, values = write
    names = ", ".join([*_times(spec), "lock_version"])
    if what not in spec.told:
        return f"WITH written AS ({statement}) SELECT {names} FROM written", dict(values)
    event = about(spec, context, what, message, paths, old)
    data = as_json(event.pop("data"))
    parts = {"tenant_": context.organization_id, "event_": as_json(event), "data_": data}
    told_too = f"WITH written AS ({statement}), {_told(spec)} SELECT {names} FROM written"
    return told_too, {**values, **parts}


def complete(spec: ResourceSpec, message: Any, answer: Mapping[str, Any]) -> Any:
    """Returns what was foreseen, completed by what the database answered."""
    message.MergeFrom(codec_of(spec).message(answer))
    return message


@cache
def _times(spec: ResourceSpec) -> tuple[str, ...]:
    return tuple(name for name, field in spec.fields.items() if field.kind is Kind.TIMESTAMP)


@cache
def _told(spec: ResourceSpec) -> str:
    """Returns what puts an event with the times of what is written into the outbox."""
    shown = [name for name in _times(spec) if name not in left_out(spec)]
    times = ", ".join(f"'{name}', {_TIME.format(name=name)}" for name in shown)
    data = f"%(data_)s || jsonb_strip_nulls(jsonb_build_object({times}))"
    return f"""told AS (
        INSERT INTO outbox (organization_id, event)
        SELECT %(tenant_)s, %(event_)s || jsonb_build_object('data', {data}) FROM written
    )"""
