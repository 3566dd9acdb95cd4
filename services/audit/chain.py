"""The links of an audit chain: each is a hash of its predecessor, its header and its salted payload.

link = SHA-256(previous ‖ SHA-256(header) ‖ SHA-256(salt ‖ payload)). A payload can be forgotten one day: its digest
keeps the chain whole, and the salt keeps anybody from guessing what was forgotten.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785

FIRST = "0" * 64
_HEADER = (
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


def payload_of(data: Any, changed_paths: Any) -> bytes:
    """Returns what an entry tells beyond its header, as the bytes that are hashed."""
    told = {"data": data, "changed_paths": changed_paths}
    return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def link_of(previous: str, row: Mapping[str, Any]) -> str:
    """Returns a row's link in hexadecimal, from the previous link and the row's columns."""
    header = hashlib.sha256(rfc8785.dumps({name: _plain(row[name]) for name in _HEADER}))
    payload = hashlib.sha256(row["salt"] + row["payload"])
    return hashlib.sha256(bytes.fromhex(previous) + header.digest() + payload.digest()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value if value is None or isinstance(value, int | dict) else str(value)


@dataclass
class Verification:
    """A walk along a chain, row by row: how far it holds and where it breaks."""

    sequence: int = 0
    """The last link that was found right."""
    head: str = FIRST
    """That link's hash."""
    count: int = 0
    broken_at: int = 0

    def walk(self, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Verifies rows that follow on; False at the first link that is wrong, missing or out of place."""
        for row in rows:
            if row["sequence"] != self.sequence + 1 or not _holds(self.head, row):
                self.broken_at = self.sequence + 1
                return False
            self.sequence, self.head, self.count = row["sequence"], row["hash"], self.count + 1
        return True


def _holds(previous: str, row: Mapping[str, Any]) -> bool:
    told = json.loads(bytes(row["payload"]))
    shown = {"data": row["data"], "changed_paths": row["changed_paths"]}
    linked = row["previous_hash"] == previous and row["hash"] == link_of(previous, row)
    return bool(linked and _doubles(told) == _doubles(shown))


def _doubles(value: Any) -> Any:
    """Returns JSON data with every number as the double it was in the event: jsonb writes 1e300 with all its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        return {name: _doubles(item) for name, item in value.items()}
    return [_doubles(item) for item in value] if isinstance(value, list) else value
