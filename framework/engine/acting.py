"""What a call does to a row, step by step: every change of every row goes this one way.

| step                     | where           | refused with                                      |
|--------------------------|-----------------|---------------------------------------------------|
| authorise by action      | `dispatch`      | UNAUTHENTICATED, PERMISSION_DENIED                |
| validate                 | `dispatch`      | INVALID_ARGUMENT                                  |
| load what may be seen    | `approached`    | NOT_FOUND: hidden and missing alike               |
| authorise by row         | `approached`    | PERMISSION_DENIED                                 |
| state                    | `approached`    | FAILED_PRECONDITION                               |
| etag                     | `approached`    | ABORTED                                           |
| prepare, change          | `act`'s caller  | INVALID_ARGUMENT, and whatever a resource refuses |
| authorise by change      | `act`           | PERMISSION_DENIED                                 |
| write and outbox, commit | `writing`       | ALREADY_EXISTS, ABORTED                           |
| hint                     | the outbox      | never: best effort, after the commit              |

Whoever is refused at one step learns nothing of the later ones.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from framework.engine import writing
from framework.engine.behaviour import merged, unsound
from framework.engine.foreseen import complete, foreseen, telling, written
from framework.engine.messages import changed, refuse_if
from framework.engine.permitting import permit_change, permitted_paths
from framework.engine.reading import load
from framework.errors import IllegalState, NotPermitted, StaleEtag
from framework.policy import rule_of
from framework.resource import Registry, ResourceSpec
from framework.storage import Transaction, codec_of, transaction_time
from framework.storage.rows import column_value

if TYPE_CHECKING:
    from framework.engine.calls import Call

Row = dict[str, Any]
Columns = Mapping[str, Any]
Change = Callable[[Row], Awaitable[Columns]]


async def act(
    call: "Call",
    spec: ResourceSpec,
    identifier: str,
    verb: str,
    change: Change,
    *,
    move: str = "",
    etag: str = "",
    told: str = "updated",
) -> Any:
    """Changes a row and returns it as a message; `change` is given the locked row and returns the columns to write.

    `move` names what happens in the state machine, where that is not the verb itself. Where the row has arrived already
    and where nothing is to be written, nothing is written and nothing told.
    """
    move = move or verb
    async with call.transaction() as tx:
        row = await approached(call, tx, spec, identifier, verb, move=move, etag=etag)
        columns: Columns = {}
        if not _arrived(spec, row, move):
            columns = _leading(call.engine.registry, spec, row, await change(row), move)
        if not columns:
            return codec_of(spec).message(row)
        await permit_change(tx, spec, call.context, row, columns, verb)
        return await writing.change(tx, spec, call.context, row, columns, move, told)


async def settle(
    call: "Call", spec: ResourceSpec, row: Columns, columns: Columns, verb: str, *, move: str, fence: Sequence[str]
) -> Any:
    """Changes a row in hand that the caller holds by a fence, without reading or locking it before.

    It is for whoever may do this to any row, such as a worker: raises NotPermitted for all others, and WriteConflict
    when the row is held by them no longer. What comes of it is foreseen: all of it is one statement.
    """
    if rule_of(spec, verb).decide(call.context) is not True:
        raise NotPermitted(f"you may not settle this {spec.called}", action=verb)
    columns = _leading(call.engine.registry, spec, row, columns, move)
    paths = sorted(spec.fields.keys() & columns.keys() - {"updated_at"})
    made, old = foreseen(spec, row, columns), codec_of(spec).message({name: row.get(name) for name in paths})
    write = writing.update(spec, row, columns, move, fence)
    told = telling(spec, call.context, "updated", write, made, paths, old)
    for answer in await written(call, told, tells="updated" in spec.told):
        return complete(spec, made, answer)
    raise writing.moved_on()


async def approached(
    call: "Call", tx: Transaction, spec: ResourceSpec, identifier: str, verb: str, *, move: str = "", etag: str = ""
) -> Row:
    """Returns the row, locked, once nothing stands between the caller and a change of it."""
    row = await load(tx, spec, call.context, identifier, verb, lock=True)
    check_state(call.engine.registry, spec, row, move or verb)
    if not _arrived(spec, row, move or verb):
        check_etag(row, etag)
    return row


def check_state(registry: Registry, spec: ResourceSpec, row: Columns, move: str) -> None:
    """Raises IllegalState when the resource's state machine does not let this happen in the row's state."""
    machine = spec.states
    # Reads depend on no state, and may not have fetched it.
    if machine is not None and machine.names(move) and row[machine.field] not in machine.sources(move):
        raise illegal(registry, spec, row, move)


def illegal(registry: Registry, spec: ResourceSpec, row: Columns, move: str) -> IllegalState:
    """Returns the refusal of a move, which says where the row stands and what is legal there."""
    assert spec.states is not None
    value = row[spec.states.field]
    changing = spec.states.changing(value)
    legal = ", ".join(rpc for rpc, method in registry.acting_on(spec).items() if method.verb in changing) or "none"
    state = spec.states.of(value)
    told = f"this {spec.called} is {state}: {move} is not legal now; legal: {legal}"
    return IllegalState(told, status=state, action=move, legal=legal)


def check_etag(row: Columns, etag: str) -> None:
    """Raises StaleEtag when an etag is given and is not the row's."""
    current = str(row["lock_version"])
    if etag and etag != current:
        raise StaleEtag("it changed since you read it: read it again and retry", current_etag=current)


def _arrived(spec: ResourceSpec, row: Columns, move: str) -> bool:
    return spec.states is not None and spec.states.arrived(row[spec.states.field], move)


def _leading(registry: Registry, spec: ResourceSpec, row: Columns, columns: Columns, move: str) -> Columns:
    """Returns the columns with the state into which the move leads; raises IllegalState for any other state."""
    if spec.states is None:
        return columns
    name, here = spec.states.field, row[spec.states.field]
    targets = spec.states.targets(here, move)
    wanted = columns.get(name, targets[0] if len(targets) == 1 else here)
    if wanted != here and wanted not in targets:
        raise illegal(registry, spec, row, move)
    return {**columns, name: wanted} if wanted != here else columns


async def replace(call: "Call", spec: ResourceSpec, message: Any, mask: Any, prefix: str) -> Any:
    """Updates the fields that a mask names: field behaviour and bounds hold for the whole as it will be."""

    async def merge(row: Row) -> Columns:
        old = codec_of(spec).message(row)
        async with call.transaction() as tx:
            paths = await permitted_paths(tx, spec, call.context, row, message, mask)
        new = merged(spec, old, message, paths.written, prefix)
        refuse_if(unsound(new, prefix))
        await spec.resource().prepare(call, new, old)
        # What its writer could not read counts as changed: else writing a guess would tell whether it was right.
        names = {*changed(spec, old, new), *paths.unread}
        return {name: column_value(spec.fields[name], new) for name in names}

    return await act(call, spec, message.id, "Update", merge, etag=getattr(message, "etag", ""))


async def archive(call: "Call", spec: ResourceSpec, identifier: str, etag: str) -> Any:
    """Puts a row away; one that is put away already is returned as it is."""

    async def put_away(row: Row) -> Columns:
        return {"archived_at": transaction_time()}

    return await act(call, spec, identifier, "Archive", put_away, etag=etag, told="archived")


async def unarchive(call: "Call", spec: ResourceSpec, identifier: str, etag: str) -> Any:
    """Takes an archived row into use again, as long as its unique values are free; one in use is returned as it is."""

    async def take_out(row: Row) -> Columns:
        return {"archived_at": None}

    return await act(call, spec, identifier, "Unarchive", take_out, etag=etag, told="unarchived")
