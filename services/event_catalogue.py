"""Writes the catalogue of every event, `docs/events.md`: `python -m services.event_catalogue`."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

from ashgrove.event.v1.event_pb2 import Actor, Event
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp

from framework.engine.writing import left_out, told_of
from framework.events.recent import stamped
from framework.resource import Registry, ResourceSpec
from framework.testing.factories import sound
from services.describe import registries

PAGE = Path(__file__).resolve().parent.parent / "docs" / "events.md"
_WHEN = {
    "created": "After a create.",
    "updated": "After a change that is no archival; `changed_paths` names the fields.",
    "archived": "After it was put away.",
    "unarchived": "After it came back into use.",
    "purged": "After it was deleted for good; `before` says who could see it and which others it names, `data` its id.",
}
_HEAD = """\
# Events

Every write, refusal and sign-in leaves an event in the transaction that it belongs to: what committed is told, what
was rolled back never happened. One sequencer for each service numbers them, from 1 and without gaps; the order is that
of the feed, and of each resource's changes. Delivery is at least once: deduplicate by `id`, or by a stored `sequence`.

People and programs hear of events by watching a collection ([streams](streams.md)), in the audit trail, and in a run's
own story. The feed itself (`EventFeedService`) is for the platform's services.

## The envelope

A CloudEvent 1.0, typed and versioned (`protos/ashgrove/event/v1/event.proto`):

| CloudEvents | here | |
|---|---|---|
| `specversion` | `spec_version` | `1.0` |
| `id` | `id` | UUIDv7, the same on every delivery |
| `source` | `source` | `/ashgrove/<service>` |
| `type` | `type` | `<noun>.<what>` |
| `subject` | `subject` | `<collection>/<id>` |
| `time` | `occurred_at` | RFC 3339 |
| `datacontenttype` | | always `application/json` |
| `dataschema` | `schema_version` | `https://ashgrove.dev/schemas/<type>/<schema_version>` |
| `data` | `data` | the resource after the event, by its proto field names |
| extension `sequence` | `sequence` | the place in the service's feed |
| extension `traceid` | `trace_id` | W3C Trace Context |
| further extensions | `organization_id`, `resource_type`, `resource_id`, `action`, `outcome` | |
| | `actor`, `request_id` | who asked, and by which request |
| | `changed_paths`, `before` | what changed, and what those fields held |

Within a `schema_version` fields may come, and none goes or changes its meaning. Left out of `data` and `before`: fields
that are sensitive, fields that a field policy keeps from somebody, and values of more than 8 KiB as text.

## How long they are kept

A feed lies in daily partitions. A day goes once it is 7 days old *and* every consumer has passed it: one that was down
for a day is behind, nobody waits for it, and nothing is lost. `python -m services.<service> lag` says how far each is;
beside `make up` that is `.venv/bin/python -m deploy.local run <service> lag`, and so for the other commands here.
`forget-consumer` lets go of one that is no more. Whoever asks for a position that is gone is told so
([POSITION_GONE](errors/position-gone.md)); a projection then begins anew with its owner's rows, as
`python -m services.<service> rebuild <name>` does by hand (`access:program` of the optimizer;
`rollup:optimizer.optimization_run` of program and variables), in one transaction: readers see the old or the new.

## How they flow, in numbers

Each service writes its metrics (OpenTelemetry) as a log line every 15 seconds, logger `ashgrove.metrics`:
`ashgrove.feed.sequence`, `ashgrove.feed.lag` and `ashgrove.feed.age` by consumer, `ashgrove.outbox.depth`,
`ashgrove.watchers`. Alarm rules are in `deploy/observability/alarms.yaml`.
"""


def page() -> str:
    """Returns the whole page."""
    return "\n".join([_HEAD, *(line for registry in registries() for line in _service(registry))]) + "\n"


def _service(registry: Registry) -> Iterator[str]:
    yield f"## The {registry.service} service\n"
    for spec in registry.specs.values():
        if spec.publishes:
            yield from _resource(registry, spec)
    silent = [f"`{s.singular}.{w}`" for s in registry.specs.values() for w in sorted(s.told - s.publishes)]
    if silent:
        yield f"Told to the audit trail alone: {', '.join(silent)}.\n"
    others = _others(registry.service)
    if others:
        yield "### What is no write\n\n| type | when |\n|---|---|"
        yield from (f"| `{name}` | {when} |" for name, when in others.items())
        yield ""
    yield f"Refused calls are told as `<noun>.denied`, with `action`, `outcome` and ids: {_denied(registry)}."
    yield f"Exports are told as `<noun>.exported`, with what was asked for: {_exported(registry)}.\n"


def _others(service: str) -> Mapping[str, str]:
    """Returns the events of a service that no resource publishes."""
    name = f"services.{service}.told"
    found: Mapping[str, str] = import_module(name).EVENTS if find_spec(name) else {}
    return found


def _denied(registry: Registry) -> str:
    return ", ".join(f"`{spec.singular}.denied`" for spec in registry.specs.values())


def _exported(registry: Registry) -> str:
    nouns = [method.resource.singular for method in registry.methods.values() if method.verb == "Export"]
    return ", ".join(f"`{noun}.exported`" for noun in nouns)


def _resource(registry: Registry, spec: ResourceSpec) -> Iterator[str]:
    yield f"### {spec.noun}\n\n| type | when |\n|---|---|"
    yield from (f"| `{spec.singular}.{what}` | {_WHEN[what]} |" for what in _WHEN if what in spec.publishes)
    left = [name for name, f in spec.fields.items() if f.sensitive or name in left_out(spec)]
    kept = [f"`{name}`" for name in spec.fields if name not in left]
    yield f"\nFields of `data`: {', '.join(kept)}."
    yield f"Left out: {', '.join(f'`{name}`' for name in left) or 'nothing but large values'}.\n"
    if spec.summarized:
        many = ", ".join(f"`{spec.singular}.{what}`" for what in sorted(spec.summarized))
        yield f"In the audit trail {many} are summaries: one entry a minute with their count and digest.\n"
    yield f"```json\n{_example(registry, spec)}\n```\n"


def _example(registry: Registry, spec: ResourceSpec) -> str:
    what = next(what for what in _WHEN if what in spec.publishes)
    identifier, person = (
        str(UUID(int=0x0198C5F0 << 96 | 0x7 << 76 | 0x8 << 60 | 1)),
        str(UUID(int=0x0198C5F0 << 96 | 2)),
    )
    message = sound(spec.resource)
    message.id = identifier
    event = Event(
        id=str(UUID(int=0x0198C5F1 << 96 | 0x7 << 76 | 0x8 << 60 | 3)),
        sequence=4711,
        type=f"{spec.singular}.{what}",
        organization_id=str(UUID(int=0x0198C5EF << 96 | 4)),
        resource_type=spec.singular,
        resource_id=identifier,
        subject=f"{spec.collection}/{identifier}",
        action=f"{what.removesuffix('d').capitalize()}{spec.noun}",
        outcome="OK",
        actor=Actor(kind=Actor.KIND_USER, id=person),
        occurred_at=Timestamp(seconds=1_760_000_000),
    )
    event.data.update(told_of(spec, message))
    told = MessageToJson(stamped(event, registry.service), preserving_proto_field_name=True)
    # Other ids are random in a message that is made from bounds.
    shown = re.sub(r'"(?!0198c5)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', f'"{person}"', told)
    return json.dumps(json.loads(shown), indent=2, ensure_ascii=False, sort_keys=True)


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.name}\n")
