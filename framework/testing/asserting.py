"""Assertions about calls, lists and what is told; each failure says what was there instead."""

from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

import grpc

from framework.errors import Failure
from framework.testing.refusals import Refused
from framework.testing.serving import Caller
from framework.testing.workbench import Workbench

T = TypeVar("T")
_DENIALS = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.NOT_FOUND}


async def assert_allowed(call: Awaitable[T]) -> T:
    """Returns what a call answers; fails, with the reason, when it is refused."""
    try:
        return await call
    except (Failure, Refused) as refusal:
        raise AssertionError(f"it was refused: {_told(refusal)}") from refusal


async def assert_denied(call: Awaitable[Any], code: str = "") -> Refused:
    """Returns the denial of a call: PERMISSION_DENIED, UNAUTHENTICATED or NOT_FOUND, or the one that is named.

    Fails when the call is answered, and when it is refused for what it says and not for who says it.
    """
    try:
        answer = await call
    except (Failure, Refused) as refusal:
        denial = refusal if isinstance(refusal, Refused) else Refused(refusal.code, refusal.status())
        allowed = {grpc.StatusCode[code]} if code else _DENIALS
        assert denial.code in allowed, f"it was refused otherwise: {_told(denial)}"
        return denial
    raise AssertionError(f"it was allowed, and answered {str(answer)[:200]!r}")


async def assert_filtered(
    caller: Caller, rpc: str, *, seen: Iterable[Any], hidden: Iterable[Any], **fields: Any
) -> None:
    """Walks every page of a list and fails unless it shows all that are seen and none that are hidden, each once."""
    found = [row.id async for row in walked(caller, rpc, **fields)]
    assert len(found) == len(set(found)), "a row came twice"
    missing = {row.id for row in seen} - set(found)
    leaked = {row.id for row in hidden} & set(found)
    assert not missing and not leaked, f"{rpc} lacks {sorted(missing)} and shows {sorted(leaked)}"


async def walked(caller: Caller, rpc: str, **fields: Any) -> Any:
    """Yields every row of a list, page after page."""
    token = ""
    while True:
        page = await caller.do(rpc, page_token=token, **fields)
        for row in getattr(page, page.DESCRIPTOR.fields[0].name):
            yield row
        token = page.next_page_token
        if not token:
            return


async def assert_event(bench: Workbench, kind: str, **expected: Any) -> dict[str, Any]:
    """Returns the one event of a type whose envelope has these values; fails when there is none, or more."""
    told = await bench.events()
    found = [e for e in told if e["type"] == kind and all(_at(e, name) == value for name, value in expected.items())]
    among = [f"{e['type']} of {e.get('resource_id', '')} by {e['action']}" for e in told]
    assert len(found) == 1, f"{len(found)} events are {kind} with {expected}; there are {among}"
    return found[0]


async def assert_audited(bench: Workbench, action: str, *, outcome: str = "OK", **expected: Any) -> dict[str, Any]:
    """Returns the one event that the audit trail keeps of an RPC's outcome, with who did it.

    Fails too when a sensitive field of the resource is in it.
    """
    found = [e for e in await bench.events() if e["action"] == action and e["outcome"] == outcome]
    found = [e for e in found if all(_at(e, name) == value for name, value in expected.items())]
    assert len(found) == 1, f"{len(found)} events are {action} with {outcome} and {expected}"
    spec = next(s for s in bench.registry.specs.values() if s.singular == found[0]["resource_type"])
    leaked = {f.name for f in spec.fields.values() if f.sensitive} & found[0].get("data", {}).keys()
    assert not leaked, f"the event tells {sorted(leaked)}, which are sensitive"
    assert found[0]["actor"]["id"], "nobody did it"
    return found[0]


def _at(event: Any, name: str) -> Any:
    """Returns a value of an event; `actor__id` is one inside."""
    for part in name.split("__"):
        event = event.get(part) if isinstance(event, dict) else None
    return event


def _told(refusal: Failure | Refused) -> str:
    return f"{refusal.code.name}: {refusal.message}"
