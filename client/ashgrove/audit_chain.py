"""The links of an audit chain: what makes one, so that anybody can make it again; needs `ashgrove[audit]`.

link = SHA-256(previous ‖ SHA-256(header) ‖ payload digest), where payload digest = SHA-256(salt ‖ payload). A payload
can be forgotten one day: its digest keeps the chain whole, and the salt keeps anybody from guessing what was forgotten.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ashgrove.audit.v1.audit_checkpoint_pb2 import AuditCheckpoint
from ashgrove.audit.v1.audit_entry_pb2 import AuditEntry
from ashgrove.canonical import canonical
from ashgrove.values import to_plain

Entry = Mapping[str, Any]
"""An entry by the names of its fields: times as datetimes, JSON as plain data, absent ids as None."""
FIRST = "0" * 64
"""What the first link follows."""
VERSION = 3
"""How links are made now."""
_FIRST_HEADER = (
    "organization_id",
    "sequence",
    "id",
    "type",
    "action",
    "outcome",
    "resource_type",
    "resource_id",
    "actor",
    "actor_id",
    "request_id",
    "source",
    "source_sequence",
    "occurred_at",
    "created_at",
)
_HEADER = (*_FIRST_HEADER, "client_address", "user_agent", "trace_id", "link_version")
# By the version of an entry's link: what the header covers, and what the payload tells.
_HEADERS: Mapping[int, tuple[str, ...]] = {1: _FIRST_HEADER, 2: _HEADER, 3: _HEADER}
_PAYLOAD = ("data", "changed_paths", "before")
_PAYLOADS: Mapping[int, tuple[str, ...]] = {1: ("data", "changed_paths"), 2: _PAYLOAD, 3: _PAYLOAD}
_WHOLE = 2**53
_UUIDS = ("resource_id", "actor_id")
_TIMES = ("occurred_at", "created_at")


def known(version: int) -> bool:
    """Says whether links of a version can be made here."""
    return version in _HEADERS


def link_of(previous: str, entry: Entry) -> str:
    """Returns an entry's link in hexadecimal, from the previous link, its header and its payload digest."""
    names = _HEADERS[entry["link_version"]]
    header = {name: _plain(entry["chain" if name == "organization_id" else name]) for name in names}
    hashed = hashlib.sha256(canonical(header)).digest()
    return hashlib.sha256(bytes.fromhex(previous) + hashed + bytes.fromhex(entry["payload_digest"])).hexdigest()


def payload_digest_of(entry: Entry) -> str:
    """Returns the salted digest of what an entry tells beyond its header, in hexadecimal."""
    return hashlib.sha256(bytes.fromhex(entry["payload_salt"]) + payload_of(entry)).hexdigest()


def payload_of(entry: Entry) -> bytes:
    """Returns what an entry tells beyond its header as the bytes that are hashed: RFC 8785 JSON, since version 3."""
    told = normal({name: entry[name] for name in _PAYLOADS[entry["link_version"]]})
    if entry["link_version"] >= 3:
        return canonical(told)
    return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def entry_of(message: AuditEntry) -> Entry:
    """Returns an entry as it came from the platform."""
    entry = {name: getattr(message, name) for name in message.DESCRIPTOR.fields_by_name}
    plain = to_plain(message)
    entry |= {name: getattr(message, name) or None for name in _UUIDS}
    entry |= {name: getattr(message, name).ToDatetime(tzinfo=UTC) if name in plain else None for name in _TIMES}
    entry |= {name: plain.get(name) for name in ("data", "before")}
    return entry | {"actor": plain.get("actor", {}), "changed_paths": list(message.changed_paths)}


def checkpoint_of(message: AuditCheckpoint) -> Mapping[str, Any]:
    """Returns a checkpoint as it came from the platform."""
    return {name: getattr(message, name) for name in ("chain", "sequence", "head_hash", "signature", "public_key")}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value if value is None or isinstance(value, int | dict) else str(value)


def normal(value: Any) -> Any:
    """Returns JSON data with every number as the double that it was in the event, a whole one as an integer."""
    kind = type(value)
    if kind is int or kind is float:
        return int(value) if -_WHOLE < value < _WHOLE and value == int(value) else float(value)
    if kind is dict:
        return {name: normal(item) for name, item in value.items()}
    return [normal(item) for item in value] if kind is list else value
