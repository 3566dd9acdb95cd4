"""What is told of calls that write nothing: those that were refused, and those that carry whole collections away."""

from typing import Any
from uuid import UUID

from ashgrove.event.v1.event_pb2 import Event

from framework.call import Context
from framework.engine.writing import event_of
from framework.errors import Failure
from framework.resource import MethodSpec

_LONGEST = 1000


def denied(method: MethodSpec, context: Context, request: Any, refusal: Failure) -> Event:
    """Returns the event of a refusal: who, what, which resource where the request names one, and every id in it."""
    event = _about(method, context, "denied", refusal.code.name, _named(method, request))
    ids = {name: getattr(request, name) for name in request.DESCRIPTOR.fields_by_name if name.endswith("_id")}
    event.data.update({name: value for name, value in ids.items() if isinstance(value, str) and _identifier(value)})
    return event


def exported(method: MethodSpec, context: Context, request: Any) -> Event:
    """Returns the event of an export: who, and what was asked for."""
    event = _about(method, context, "exported", "OK")
    event.data.update({"filter": request.filter[:_LONGEST], "order_by": request.order_by[:_LONGEST]})
    event.data.update({"read_mask": list(request.read_mask.paths), "resumed": bool(request.resume_token)})
    return event


def _about(method: MethodSpec, context: Context, what: str, outcome: str, identifier: str = "") -> Event:
    spec = method.resource
    event = event_of(context, f"{spec.singular}.{what}", outcome)
    event.resource_type, event.resource_id = spec.singular, identifier
    event.subject = f"{spec.collection}/{identifier}" if identifier else ""
    return event


def _named(method: MethodSpec, request: Any) -> str:
    """Returns the id of the resource that a request is about; empty where it names none, or nothing that is an id."""
    noun = method.resource.singular
    body = getattr(request, noun, None)
    for given in (getattr(request, "id", ""), getattr(request, f"{noun}_id", ""), getattr(body, "id", "")):
        if isinstance(given, str) and given:
            return _identifier(given)
    return ""


def _identifier(given: str) -> str:
    try:
        return str(UUID(given))
    except ValueError:  # it was refused before anybody looked at what it asks
        return ""
