"""Checks about the act itself: what its request says, what it would change, how it is made.

The call's context answers them. Where it does not know yet - an update's changes, before the row is read - they stay
open; whoever must decide all the same asks whether some act would pass. Asked of no act at all, as when a check on a
child reads its parent, they answer as for one that says nothing and changes nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

from google.protobuf.descriptor import Descriptor
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from sqlalchemy import ColumnElement, FromClause, false, true

from framework.call import ANONYMOUS, Actor, Context
from framework.policy.actor_checks import ActorCheck
from framework.policy.checks import AnyOf, Check, Row, Verdict, leaves_of, rewritten
from framework.resource import ResourceSpec

_NO_ACT = Context(ANONYMOUS, "", "", 0.0, arguments=Empty(), changes={})
_ANY: Any = object()
_TRUE, _FALSE = ActorCheck("true", lambda actor: True), ActorCheck("false", lambda actor: False)
MOST = 6
"""So many checks about the act one rule may ask: twice as many cases are tried with each."""


@dataclass(frozen=True)
class ActCheck(Check):
    """A check that the act settles, from the call's context."""

    name: str
    ask: Callable[[Context], Verdict]
    field: str = ""
    """The field of the resource that it asks about."""
    path: str = ""
    """The place in the request that it asks about."""

    def decide(self, actor: Actor) -> Verdict:
        """Leaves it to the act."""
        return None

    def holds(self, actor: Actor, row: Row) -> Verdict:
        """Answers as for no act."""
        return self.ask(_NO_ACT)

    def where(self, actor: Actor, table: FromClause) -> ColumnElement[bool]:
        """Answers as for no act."""
        return true() if self.ask(_NO_ACT) else false()

    def faults(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields that there is no such field."""
        if self.field and self.field not in {*spec.fields, *spec.storage.hidden}:
            yield f"{self.name} asks for {self.field}, which is neither a field nor a hidden column"


def changing(field: str, *, to: Any = _ANY, from_: Any = _ANY) -> Check:
    """Passes for writes that change a field, to one value and from another where they are named.

    Values are as columns hold them: enums by full name, ids as UUIDs. A create changes what it fills, from None.
    """
    told = [field, *(f"{word}={value}" for word, value in (("to", to), ("from", from_)) if value is not _ANY)]

    def ask(context: Context) -> Verdict:
        if context.changes is None:
            return None
        if field not in context.changes:
            return False
        old, new = context.changes[field]
        return (to is _ANY or _equal(new, to)) and (from_ is _ANY or _equal(old, from_))

    return ActCheck(f"changing({', '.join(told)})", ask, field)


def argument(path: str, value: Any = _ANY) -> Check:
    """Passes for requests that fill a field, and with this value where one is named; what is empty matches nothing.

    Paths lead into messages (`program.visibility`); enums are compared by full name.
    """
    told = path if value is _ANY else f"{path}, {value}"

    def ask(context: Context) -> Verdict:
        if context.arguments is None:
            return None
        given = _at(context.arguments, path)
        return given is not None and (value is _ANY or _equal(given, value))

    return ActCheck(f"argument({told})", ask, path=path)


def leads(path: str, request: Descriptor) -> bool:
    """Says whether a path leads to a field of a message."""
    first, _, rest = path.partition(".")
    found = request.fields_by_name.get(first)
    return found is not None and (not rest or (found.message_type is not None and leads(rest, found.message_type)))


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, UUID) or isinstance(wanted, UUID):
        return str(found) == str(wanted)
    # True is 1 in Python, and not in a policy.
    return wanted is not None and isinstance(found, bool) is isinstance(wanted, bool) and bool(found == wanted)


def _at(message: Message, path: str) -> Any:
    """Returns what stands at a path of a message, None for what is not there or empty."""
    found: Any = message
    for name in path.split("."):
        descriptor = found.DESCRIPTOR.fields_by_name.get(name) if isinstance(found, Message) else None
        if descriptor is None or name not in {one.name for one, _ in found.ListFields()}:
            return None
        found = getattr(found, name)
        if descriptor.enum_type is not None and not descriptor.is_repeated:
            found = descriptor.enum_type.values_by_number[found].name
    return found


_OF_THE_ACTOR: Mapping[str, Callable[[Actor], Any]] = {
    "delegate": lambda actor: actor.delegate,
    "delegated": lambda actor: bool(actor.delegate),
    "bounded": lambda actor: actor.actions is not None,
    "credential": lambda actor: bool(actor.credential_id),
}
_EXAMPLES: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
    "delegate": lambda wanted: {"delegate": wanted},
    "delegated": lambda wanted: {"delegate": "some-service" if wanted else ""},
    "bounded": lambda wanted: {"actions": frozenset() if wanted else None},
    "credential": lambda wanted: {"credential_id": "some-key" if wanted else ""},
}
_OF_THE_CALL: Mapping[str, Callable[[Context], Any]] = {
    "action": lambda context: context.action,
    "validate_only": lambda context: bool(getattr(context.arguments, "validate_only", False)),
    "request_id": lambda context: bool(getattr(context.arguments, "request_id", "")),
}


def in_context(**facts: Any) -> Check:
    """Passes for calls made in this way; every fact named must be so.

    `delegate` is the service that acts for the user, `delegated` whether one does, `bounded` whether a grant or a key's
    scopes bound what may be called, `credential` whether a key signed in; `action` is the RPC, `validate_only` and
    `request_id` whether it is only tried and whether it may be sent twice. Raises TypeError for other facts.
    """
    unknown = facts.keys() - {*_OF_THE_ACTOR, *_OF_THE_CALL}
    if unknown or not facts:
        raise TypeError(f"in_context knows {', '.join([*_OF_THE_ACTOR, *_OF_THE_CALL])}; not {', '.join(unknown)}")
    first, *rest = (_fact(name, value) for name, value in facts.items())
    for one in rest:
        first = first & one
    return first


def _fact(name: str, wanted: Any) -> Check:
    told = f"in_context({name}={wanted})"
    if name in _OF_THE_ACTOR:
        about = _OF_THE_ACTOR[name]
        return ActorCheck(told, lambda actor: about(actor) == wanted, _EXAMPLES[name](wanted))
    of_call = _OF_THE_CALL[name]
    return ActCheck(told, lambda context: None if context.arguments is None else of_call(context) == wanted)


def asked_of(check: Check) -> tuple[ActCheck, ...]:
    """Returns what a check asks of the act, each once."""
    return tuple(dict.fromkeys(leaf for leaf in leaves_of(check) if isinstance(leaf, ActCheck)))


def settled(check: Check, answers: Mapping[ActCheck, Verdict]) -> Check:
    """Returns a check with the act's answers in place of its questions; those without one stay open."""
    constants = {leaf: _TRUE if said else _FALSE for leaf, said in answers.items() if said is not None}
    return rewritten(check, constants) if constants else check  # type: ignore[arg-type]


def possible(check: Check) -> Check:
    """Returns the check that passes when some act would pass: what is still asked of it is answered in every way."""
    asked = asked_of(check)
    if not asked:
        return check
    ways = product((True, False), repeat=len(asked))
    return AnyOf(*(settled(check, dict(zip(asked, way, strict=True))) for way in ways))
