"""Calls that can be sent twice and calls that are only tried: both are the call itself, inside one transaction."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import and_, select

from framework.engine.calls import Call
from framework.engine.reading import load, scope
from framework.errors import AlreadyDone, Failure, FieldViolation, InvalidFields, NotFound
from framework.resource import MethodSpec, ResourceSpec
from framework.resource.nesting import messages_in
from framework.resource.sensitive import holds_secrets
from framework.storage import Database, Transaction, table_of
from framework.storage.tables import compiled

Act = Callable[[], Awaitable[Any]]
_LONGEST_ID = 128
_EVERY_SECONDS = 600.0
_log = logging.getLogger(__name__)

# A row that is older than a day is as good as none: whoever comes again takes it over.
_CLAIM = """INSERT INTO replays (organization_id, actor, method, request_id, body_hash)
            VALUES (%(organization)s, %(actor)s, %(method)s, %(request_id)s, %(body_hash)s)
            ON CONFLICT (organization_id, actor, method, request_id)
            DO UPDATE SET body_hash = excluded.body_hash, response = NULL, recorded_at = now()
            WHERE replays.recorded_at < now() - interval '24 hours'
            RETURNING 1 AS claimed"""
_KEY = """organization_id = %(organization)s AND actor = %(actor)s AND method = %(method)s
          AND request_id = %(request_id)s"""
_READ = f"SELECT body_hash, response FROM replays WHERE {_KEY}"
_KEEP = f"UPDATE replays SET response = %(response)s WHERE {_KEY}"
_FORGET = "DELETE FROM replays WHERE recorded_at < now() - interval '24 hours'"


class _Undone(Exception):  # noqa: N818 - no error: the way out of a transaction that must not commit
    """Ends a rehearsal."""


async def rehearsed(call: Call, request: Any, act: Act) -> Any:
    """Does a call and undoes it: the answer or the refusal is what the call would give, nothing is written or told."""
    answer: Any = None
    call.rehearsing = True
    try:
        async with call.transaction():
            answer = await act()
            raise _Undone
    except _Undone:
        pass
    _without_new_ids(call, answer, request)
    return answer


def _without_new_ids(call: Call, answer: Any, request: Any) -> None:
    """Clears the ids of what was made and undone: the real ones will have others. Ids that were asked by stay."""
    resources = {spec.message.DESCRIPTOR.full_name for spec in call.engine.registry.specs.values()}
    asked = str(request)
    for one in (answer, *_within(answer)):
        if one.DESCRIPTOR.full_name in resources and one.id not in asked:
            one.ClearField("id")


def _within(message: Any) -> Iterator[Any]:
    """Yields the messages inside a message, at every depth."""
    for field, value in message.ListFields():
        for one in messages_in(field, value):
            yield one
            yield from _within(one)


async def once(call: Call, method: MethodSpec, request: Any, act: Act) -> Any:
    """Does a call whose `request_id` is new to this caller within a day, and answers a known one as it was answered.

    Two at once are one: the second waits. Raises InvalidFields when the id was used for another request, and
    AlreadyDone when the answer held secrets, which are never kept.
    """
    key = _key(call, method, request)
    async with call.transaction() as tx:
        if await tx.fetch_one(_CLAIM, key) is None:
            return await _again(tx, call, method, request, key)
        answer = await act()
        if not holds_secrets(method.response_class.DESCRIPTOR):
            await tx.execute(_KEEP, key | {"response": answer.SerializeToString()})
        return answer


def _key(call: Call, method: MethodSpec, request: Any) -> dict[str, Any]:
    if len(request.request_id) > _LONGEST_ID or not request.request_id.isprintable():
        raise InvalidFields(FieldViolation("request_id", f"must be at most {_LONGEST_ID} printable characters"))
    return {
        "organization": call.context.organization_id,
        "actor": f"{call.actor.kind.value}:{call.actor.id}",
        "method": method.name,
        "request_id": request.request_id,
        "body_hash": hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
    }


async def _again(tx: Transaction, call: Call, method: MethodSpec, request: Any, key: dict[str, Any]) -> Message:
    kept = await tx.fetch_one(_READ, key)
    assert kept is not None, "what conflicts is there"
    if kept["body_hash"] != key["body_hash"]:
        raise InvalidFields(FieldViolation("request_id", "was used for another request; choose a new one"))
    if kept["response"] is None:
        raise AlreadyDone("this request was done before, and its answer held secrets that are not kept")
    answer: Any = method.response_class.FromString(kept["response"])
    await _authorize_again(tx, call, method, request, answer)
    return answer  # type: ignore[no-any-return]


async def _authorize_again(tx: Transaction, call: Call, method: MethodSpec, request: Any, answer: Any) -> None:
    """Refuses whoever may no longer do what was done: they may no longer learn what came of it."""
    spec = method.resource
    if method.response_class is spec.message:
        await load(tx, spec, call.context, answer.id, method.verb)
    elif method.standard and method.verb == "Upsert":
        await load(tx, spec, call.context, getattr(answer, spec.singular).id, "Update")
    elif method.standard and method.verb == "BatchCreate":
        ids, table = [one.id for one in getattr(answer, spec.collection)], table_of(spec)
        theirs = and_(scope(spec, call.context, method.ruled_by), table.c.id.in_([UUID(i) for i in ids]))
        found = {str(row["id"]) for row in await tx.fetch(*compiled(select(table.c.id).where(theirs)))}
        for lost in [i for i in ids if i not in found]:
            raise NotFound(spec.singular, lost)
    elif not method.standard:  # what was purged is gone, and its answer tells nothing
        for named, identifier, verb in _named(call, method, request):
            await load(tx, named, call.context, identifier, verb)


def _named(call: Call, method: MethodSpec, request: Any) -> Iterator[tuple[ResourceSpec, str, str]]:
    """Yields the rows that a request acts on, or beside, each with what its caller must still be able to do to it."""
    for spec in call.engine.registry.specs.values():
        own = spec is method.resource
        for name, verb in (("id", method.verb), (f"{spec.singular}_id", method.verb if own else "Get")):
            identifier = getattr(request, name, "")
            if identifier and (own or name != "id"):
                yield spec, identifier, verb


async def forget(database: Database) -> None:
    """Deletes what is older than a day, every ten minutes, until cancelled."""
    while True:
        try:
            async with database.system() as tx:
                await tx.execute(_FORGET)
        except Failure:
            _log.warning("old requests could not be forgotten; trying again later", exc_info=True)
        await asyncio.sleep(_EVERY_SECONDS)
