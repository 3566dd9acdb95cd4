"""One call from message to message: authorise by action, validate, act; refusals are told as well."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from ashgrove.event.v1.event_pb2 import Event
from google.protobuf.message import Message

from framework.call import ActorKind, Context
from framework.engine.access import RULES, test_permissions
from framework.engine.aggregating import aggregate
from framework.engine.behaviour import ignore_output_only, wrong_in
from framework.engine.calls import Call
from framework.engine.concealing import concealed, conceals
from framework.engine.explaining import explain_access
from framework.engine.exporting import export
from framework.engine.including import edges_of
from framework.engine.messages import refuse_if
from framework.engine.paging import Page
from framework.engine.replay import once, rehearsed
from framework.engine.sharing import Shared
from framework.engine.telling import denied
from framework.engine.upserting import upsert
from framework.engine.watching import watch
from framework.errors import Failure, NotPermitted, Unauthenticated
from framework.events.hints import Hints
from framework.events.hub import Hub
from framework.events.recent import Recent
from framework.events.revocations import Revocations
from framework.policy import rule_of
from framework.query import Seal
from framework.resource import MethodSpec, Registry
from framework.storage import Database

_log = logging.getLogger(__name__)
_AFTERWARDS_SECONDS = 0.01  # clocks tick apart: whoever is woken must find the end behind them
_MOST = 2**31 - 1  # what AIP-158's total_size holds
Standard = Callable[[Call, MethodSpec, Any], Awaitable[Any]]


class Engine:
    """Does every RPC of a service, from its registry."""

    def __init__(
        self, registry: Registry, database: Database, hints: Hints, seal: Seal, application: Any = None
    ) -> None:
        self.registry = registry
        self.database = database
        self.hints = hints
        self.seal = seal
        self.application = application
        self.recent = Recent(database, hints)
        self.revocations = Revocations()
        self.shared = Shared()
        self.hubs: set[Hub] = set()
        """What many of this process's streams follow."""

    async def unary(
        self, method: MethodSpec, context: Context, request: Message, more: AsyncIterator[Any] | None = None
    ) -> Message:
        """Does a call with one answer; raises a Failure for everything a caller may be told.

        `more` are the requests after the first of a call that is asked with a stream: none of them is read before the
        first was found permitted and sound.
        """
        try:
            call = self._begin(method, context, request)
            act: Standard = _guarded if method.rehearses or method.replays else _act
            if method.gathers:
                act = partial(_gathered, more=more)
            answer: Message = await act(call, method, request)
            if method.then is not None and not call.rehearsing:
                answer = await concealed(call, method, await method.then(call, answer))
            return answer
        except NotPermitted as refusal:
            await self._tell(method, context, denied(method, context, request, refusal))
            raise

    async def stream(self, method: MethodSpec, context: Context, request: Message) -> AsyncIterator[Message | bytes]:
        """Does a call with a stream of answers; it ends with whatever its caller's credential is worth no more.

        A frame comes as bytes where it was made once for all who are sent it: it hides nothing from anybody, and ends
        no stream.
        """
        try:
            call = self._begin(method, context, request)
            handler = method.handler or partial(_STREAMING[method.verb], method=method)
            hides = conceals(call, method)
            with self.waking_at(context.actor.ends_at):
                async for frame in handler(call, request):
                    made = isinstance(frame, bytes)
                    assert not (made and hides), f"{method.name} sends to all what some may not see"
                    if made or frame.WhichOneof("frame") != "end":
                        self.revocations.check(context)
                    yield await concealed(call, method, frame) if hides else frame
        except NotPermitted as refusal:
            await self._tell(method, context, denied(method, context, request, refusal))
            raise

    def end_streams(self) -> None:
        """Has every stream ask at once whether its caller's credential still holds."""
        self.recent.stir()
        self.hints.wake_all()
        for hub in self.hubs:
            hub.stir()

    @contextmanager
    def waking_at(self, ends_at: float) -> Iterator[None]:
        """Has every stream ask once a credential has ended by itself, unless the block is left before."""
        if math.isinf(ends_at):
            yield
            return
        delay = max(0.0, ends_at - time.time()) + _AFTERWARDS_SECONDS
        waking = asyncio.get_running_loop().call_later(delay, self.end_streams)
        try:
            yield
        finally:
            waking.cancel()

    def call(self, context: Context) -> Call:
        """Returns a call for work that no RPC asked for, such as a worker's."""
        return Call(self, context)

    def _begin(self, method: MethodSpec, context: Context, request: Message) -> Call:
        if context.arguments is not request:
            context = replace(context, arguments=request)
        authorize(method, context)
        _validate(method, request)
        return Call(self, context)

    async def _tell(self, method: MethodSpec, context: Context, event: Event) -> None:
        try:
            async with self.database.tenant(context.actor.organization_id) as tx:
                await tx.record(event)
        except Failure:
            # The refusal stands whether or not it could be told.
            _log.exception("a refusal of %s could not be recorded", method.name)


def authorize(method: MethodSpec, context: Context) -> None:
    """Raises NotPermitted, or Unauthenticated, when the actor may not do this to any row at all."""
    actor = context.actor
    asking = RULES.get(method.verb)
    allowed = asking.decide(actor) if asking else rule_of(method.resource, method.ruled_by).decide(context)
    # Rows belong to organizations, and nobody known has none: what depends on a row is not theirs.
    if method.covered_for(actor) and (allowed or (allowed is None and actor.kind is not ActorKind.ANONYMOUS)):
        return
    if actor.kind is ActorKind.ANONYMOUS:
        raise Unauthenticated
    raise NotPermitted(f"you may not {method.name}", action=method.name)


def _validate(method: MethodSpec, request: Any) -> None:
    for name in method.bodies:
        body = getattr(request, name)
        for one in body if request.DESCRIPTOR.fields_by_name[name].is_repeated else [body]:
            ignore_output_only(one, keep="id")
    found = wrong_in(request)
    if method.verb == "Update":  # the resource is judged once it is merged: a mask may leave fields out
        found = [v for v in found if not v.path.startswith(f"{method.resource.singular}.")]
    refuse_if(found)


async def _act(call: Call, method: MethodSpec, request: Any) -> Any:
    act = method.handler(call, request) if method.handler else _STANDARD[method.verb](call, method, request)
    return await concealed(call, method, await act)


async def _gathered(call: Call, method: MethodSpec, request: Any, more: AsyncIterator[Any] | None) -> Any:
    assert method.handler is not None, "the registry lets only actions gather"
    return await concealed(call, method, await method.handler(call, request, _while_valid(call, more)))


async def _while_valid(call: Call, more: AsyncIterator[Any] | None) -> AsyncIterator[Any]:
    """Yields requests for as long as the caller's credential is worth something."""
    if more is not None:
        async for request in more:
            call.engine.revocations.check(call.context)
            yield request


async def _guarded(call: Call, method: MethodSpec, request: Any) -> Any:
    act = partial(_act, call, method, request)
    if method.rehearses and request.validate_only:
        return await rehearsed(call, request, act)
    if method.replays and request.request_id:
        # An answer that was kept was another time's: its reader may see less by now.
        return await concealed(call, method, await once(call, method, request, act))
    return await act()


async def _get(call: Call, method: MethodSpec, request: Any) -> Any:
    return await call.get(
        method.resource.resource,
        request.id,
        revision=getattr(request, "revision", 0),
        mask=getattr(request, "read_mask", None),
        edges=edges_of(method.resource, call.context, request, alone=True),
    )


async def _list(call: Call, method: MethodSpec, request: Any) -> Any:
    page = Page(method.resource, call.context, request, method.path, call.engine.seal)
    rows = await call.reads().fetch(*page.statement())
    messages = await page.selection.messages(call, rows[: page.size])
    answer = page.answer(rows, messages, method.response_class())
    if page.counts:
        counted = await call.reads().fetch_one(*page.total())
        answer.total_size = min(counted["total"] if counted else 0, _MOST)
    return answer


async def _create(call: Call, method: MethodSpec, request: Any) -> Any:
    noun = method.resource.singular
    return await call.create(method.resource.resource, getattr(request, noun), prefix=f"{noun}.")


async def _upsert(call: Call, method: MethodSpec, request: Any) -> Any:
    noun = method.resource.singular
    put, created = await upsert(call, method.resource, getattr(request, noun), f"{noun}.")
    return method.response_class(**{noun: put, "created": created})


async def _update(call: Call, method: MethodSpec, request: Any) -> Any:
    noun = method.resource.singular
    return await call.replace(method.resource.resource, getattr(request, noun), request.update_mask, f"{noun}.")


async def _archive(call: Call, method: MethodSpec, request: Any) -> Any:
    return await call.archive(method.resource.resource, request.id, request.etag)


async def _unarchive(call: Call, method: MethodSpec, request: Any) -> Any:
    return await call.unarchive(method.resource.resource, request.id, request.etag)


async def _purge(call: Call, method: MethodSpec, request: Any) -> Any:
    await call.purge(method.resource.resource, request.id, request.etag)
    return method.response_class(id=request.id)


async def _batch_create(call: Call, method: MethodSpec, request: Any) -> Any:
    collection = method.resource.collection
    created = await call.create_many(method.resource.resource, getattr(request, collection), judged=True)
    return method.response_class(**{collection: created})


_STANDARD: dict[str, Standard] = {
    "Get": _get,
    "List": _list,
    "Create": _create,
    "Upsert": _upsert,
    "Update": _update,
    "Archive": _archive,
    "Unarchive": _unarchive,
    "Purge": _purge,
    "BatchCreate": _batch_create,
    "TestPermissions": test_permissions,
    "ExplainAccess": explain_access,
    "Aggregate": aggregate,
}

_STREAMING: dict[str, Callable[..., AsyncIterator[Any]]] = {
    "Export": export,
    "Watch": watch,
}
