"""What no standard method does: functions that are marked with their RPC, and collected from the modules one names.

A mark changes nothing and is kept nowhere else: which functions a service has is what its registry is told.
"""

import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType
from typing import Any, TypeVar

from google.protobuf.descriptor import MethodDescriptor

from framework.resource.declaration import Resource

F = TypeVar("F", bound=Callable[..., Any])
Then = Callable[[Any, Any], Awaitable[Any]]
_MARK = "__ashgrove_action__"


@dataclass(frozen=True)
class Action:
    """A function with the RPC that it does, and the resource that this acts on."""

    resource: type[Resource[Any]]
    rpc: str
    function: Callable[..., Any]
    then: Then | None

    @property
    def place(self) -> str:
        """Where the function is written."""
        return f"{self.function.__module__}.{self.function.__qualname__}"


def action(resource: type[Resource[Any]], rpc: str, *, then: Then | None = None) -> Callable[[F], F]:
    """Marks a function of a module as what does an RPC; it is given the call and the request.

    An RPC that answers with a stream is done by an async generator. One that is asked with a stream is given the first
    request, and an iterator over the others.

    `then` makes of the call and what the function answered what its caller is told, once all is committed: such as the
    end of what was begun. What was done before under the same `request_id` goes through it again, what is only tried
    does not.
    """

    def mark(function: F) -> F:
        setattr(function, _MARK, Action(resource, rpc, function, then))
        return function

    return mark


def collected(resources: Iterable[type[Resource[Any]]], modules: Iterable[ModuleType]) -> list[Action]:
    """Returns the actions of these modules, and those that stand beside the declaration of a resource."""
    beside = (sys.modules[resource.__module__] for resource in resources)
    given = dict.fromkeys([*beside, *modules])
    return list(dict.fromkeys(one for module in given for one in actions_of(module)))


def actions_of(module: ModuleType) -> Iterator[Action]:
    """Yields the actions that a module has written itself; those that a package has from its own modules."""
    for value in vars(module).values():
        marked = getattr(value, _MARK, None) if inspect.isfunction(value) else None
        if marked is not None and f"{value.__module__}.".startswith(f"{module.__name__}."):
            yield marked


def silent(modules: Sequence[ModuleType]) -> Iterator[str]:
    """Yields the modules that are named for their actions and have none."""
    for module in modules:
        if not any(actions_of(module)):
            yield f"{module.__name__}: has no @action; mark what it does, or do not name it among the actions"


def action_faults(
    actions: Sequence[Action], resources: Iterable[type[Resource[Any]]], rpcs: Mapping[str, MethodDescriptor]
) -> Iterator[str]:
    """Yields what keeps functions from being the actions of a service with these resources and RPCs."""
    known, doing = list(resources), dict[str, Action]()
    for one in actions:
        if one.resource not in known:
            yield f"{one.place}: acts on {one.resource.__name__}, which is no resource of this service"
        if one.rpc not in rpcs:
            near = get_close_matches(one.rpc, rpcs, 1)
            yield f"{one.place}: there is no RPC {one.rpc}" + (f"; do you mean {near[0]}?" if near else "")
        elif fault := _misshapen(one.function, rpcs[one.rpc]):
            yield f"{one.place}: {fault}"
        if doing.setdefault(one.rpc, one) is not one:
            yield f"{one.place}: does {one.rpc}, as {doing[one.rpc].place} does"


def _misshapen(function: Callable[..., Any], rpc: MethodDescriptor) -> str | None:
    if rpc.server_streaming and not inspect.isasyncgenfunction(function):
        return f"{rpc.name} answers with a stream, so it must be an async generator"
    if not rpc.server_streaming and not inspect.iscoroutinefunction(function):
        return f"{rpc.name} answers once, so it must be an async function"
    return None
