"""The links of an audit chain: each is a hash of its predecessor, its header and its salted payload.

link = SHA-256(previous ‖ SHA-256(header) ‖ SHA-256(salt ‖ payload)). A payload can be forgotten one day: its digest
keeps the chain whole, and the salt keeps anybody from guessing what was forgotten.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import rfc8785

from services.audit.signing import holds

FIRST = "0" * 64
VERSION = 2
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
# By the version of an entry's link: what the header covers, and what the payload tells.
_HEADERS: Mapping[int, tuple[str, ...]] = {
    1: _FIRST_HEADER,
    2: (*_FIRST_HEADER, "client_address", "user_agent", "trace_id", "link_version"),
}
_PAYLOADS: Mapping[int, tuple[str, ...]] = {1: ("data", "changed_paths"), 2: ("data", "changed_paths", "before")}


def payload_of(row: Mapping[str, Any]) -> bytes:
    """Returns what an entry tells beyond its header, as the bytes that are hashed."""
    return json.dumps(_told(row), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def link_of(previous: str, row: Mapping[str, Any]) -> str:
    """Returns a row's link in hexadecimal, from the previous link and the row's columns."""
    names = _HEADERS[row["link_version"]]
    header = hashlib.sha256(rfc8785.dumps({name: _plain(row[name]) for name in names}))
    payload = hashlib.sha256(row["salt"] + row["payload"])
    return hashlib.sha256(bytes.fromhex(previous) + header.digest() + payload.digest()).hexdigest()


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _PAYLOADS[row["link_version"]]}


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
    checkpoints: int = 0
    """How many checkpoints were found right."""
    broken_at: int = 0
    """The first link that is wrong; 0 while none is."""
    fault: str = ""
    """What is wrong; empty while nothing is."""
    _expected: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def expect(self, checkpoints: Iterable[Mapping[str, Any]]) -> None:
        """Takes the checkpoints that the rest of the chain must pass through."""
        self._expected = {one["sequence"]: one for one in checkpoints if one["sequence"] > self.sequence}

    def walk(self, rows: Iterable[Mapping[str, Any]]) -> bool:
        """Verifies rows that follow on; False at the first link that is wrong, missing or out of place."""
        for row in rows:
            at = self.sequence + 1
            if row["sequence"] != at:
                return self._broken(at, f"entry {at} is missing or out of its place")
            if not _holds(self.head, row):
                return self._broken(at, f"entry {at} is not what was linked")
            if not self._passes(row):
                return False
            self.sequence, self.head, self.count = at, row["hash"], self.count + 1
        return True

    def end(self) -> None:
        """Says that no row follows: a checkpoint beyond the end tells of entries that were cut off."""
        if self._expected and not self.fault:
            at = self.sequence + 1
            self._broken(at, f"entries from {at} on are missing: a checkpoint covers entry {max(self._expected)}")

    def _passes(self, row: Mapping[str, Any]) -> bool:
        checkpoint = self._expected.pop(row["sequence"], None)
        if checkpoint is None:
            return True
        at = row["sequence"]
        if not holds(checkpoint):
            return self._broken(at, f"the checkpoint of entry {at} is not signed by its key")
        if checkpoint["head_hash"] != row["hash"]:
            return self._broken(at, f"entry {at} is another than the one that was signed: the chain was rewritten")
        self.checkpoints += 1
        return True

    def _broken(self, at: int, fault: str) -> bool:
        self.broken_at, self.fault = at, fault
        return False


def _holds(previous: str, row: Mapping[str, Any]) -> bool:
    if row["link_version"] not in _HEADERS:
        return False
    linked = row["previous_hash"] == previous and row["hash"] == link_of(previous, row)
    return bool(linked and _doubles(json.loads(bytes(row["payload"]))) == _doubles(_told(row)))


def _doubles(value: Any) -> Any:
    """Returns JSON data with every number as the double it was in the event: jsonb writes 1e300 with all its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, dict):
        return {name: _doubles(item) for name, item in value.items()}
    return [_doubles(item) for item in value] if isinstance(value, list) else value
