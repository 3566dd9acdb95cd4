"""What a run asks of other services, in the name of whoever granted it; asked again while they are down."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from grpc import aio

from framework.errors import DependencyUnavailable, GrantLost, IllegalState, NotFound, NotPermitted
from framework.resource import ARCHIVED
from framework.rpc.channels import as_caller
from framework.rpc.peer_failures import from_peer
from services.optimizer.application import Application

T = TypeVar("T")
_AGAIN_SECONDS = 0.5


@contextmanager
def granted(peer: str) -> Iterator[None]:
    """Raises a Failure in place of a peer's error: GrantLost when the run may no longer do what it needs."""
    try:
        with from_peer(peer):
            yield
    except (NotFound, NotPermitted) as refused:
        # It was all there and allowed when the run was made, and nothing is ever deleted.
        raise GrantLost(f"access was lost: {refused.message}", cause="access lost") from refused
    except IllegalState as refused:
        if refused.metadata.get("status") != ARCHIVED:
            raise
        # Else its trials would fail for it, one after the other.
        told = f"{refused.message}; unarchive it and resume this run, or cancel it"
        raise GrantLost(told, cause="archived") from refused


async def asking(
    application: Application, run: Mapping[str, Any], peer: str, ask: Callable[[aio.Metadata], Awaitable[T]]
) -> T:
    """Returns what a peer answers a run; raises GrantLost when the run may no longer ask.

    A peer that is down is waited for.
    """
    while True:
        try:
            with granted(peer):
                return await ask(as_caller(await application.tokens.exchange(str(run["grant_id"]))))
        except DependencyUnavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
