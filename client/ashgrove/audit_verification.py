"""The walk along an audit chain that trusts nobody: every link, every payload, every signed statement is made again."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ashgrove.audit_chain import FIRST, Entry, known, link_of, payload_digest_of
from ashgrove.audit_statements import TOMBSTONE, checkpoint_statement, is_signed, tombstone_statement


@dataclass
class Verification:
    """A walk along a chain, entry by entry: how far it holds and where it breaks."""

    sequence: int = 0
    """The last link that was found right."""
    head: str = FIRST
    """That link's hash."""
    trusted: Collection[str] = ()
    """The public keys whose signatures count; any, while none is named."""
    chain: str = ""
    """Whose chain it is: the first entry says so where nothing else does."""
    count: int = 0
    checkpoints: int = 0
    """How many checkpoints were found right."""
    payloads_gone: int = 0
    """How many entries' payloads are gone by retention, while their links are whole."""
    keys: set[str] = field(default_factory=set)
    """The public keys of the signatures that were found right."""
    broken_at: int = 0
    """The first link that is wrong; 0 while none is."""
    fault: str = ""
    """What is wrong; empty while nothing is."""
    _expected: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)
    _gone: list[tuple[int, int, str]] = field(default_factory=list)
    """The stretches of entries without payloads that no tombstone has told of yet, each with its last link's hash."""

    def expect(self, checkpoints: Iterable[Mapping[str, Any]]) -> None:
        """Takes the checkpoints that the rest of the chain must pass through."""
        for one in checkpoints:
            if one["sequence"] > self.sequence:
                self._expected.setdefault(one["sequence"], []).append(one)

    def walk(self, entries: Iterable[Entry]) -> bool:
        """Verifies entries that follow on; False at the first link that is wrong, missing or out of place."""
        return all(self._step(entry) for entry in entries)

    def end(self) -> None:
        """Says that no entry follows: what was cut off, and what lost its payload without a tombstone, is told now."""
        if self.fault:
            return
        if self._gone:
            at = self._gone[0][0]
            self._broken(at, f"the payload of entry {at} is gone, and no signed tombstone tells of it")
        elif self._expected:
            at = self.sequence + 1
            self._broken(at, f"entries from {at} on are missing: a checkpoint covers entry {max(self._expected)}")

    def _step(self, entry: Entry) -> bool:
        at = self.sequence + 1
        if entry["sequence"] != at:
            return self._broken(at, f"entry {at} is missing or out of its place")
        self.chain = self.chain or str(entry["chain"])
        if not self._linked(entry):
            return self._broken(at, f"entry {at} is not what was linked")
        if not self._paid(entry):
            return self._broken(at, f"the payload of entry {at} is not what was linked")
        if not self._passes(entry):
            return False
        self.sequence, self.head, self.count = at, entry["hash"], self.count + 1
        return True

    def _linked(self, entry: Entry) -> bool:
        if not known(entry["link_version"]) or str(entry["chain"]) != self.chain:
            return False
        try:
            return bool(entry["previous_hash"] == self.head and entry["hash"] == link_of(self.head, entry))
        except ValueError:  # what should be hexadecimal is not
            return False

    def _paid(self, entry: Entry) -> bool:
        """Says whether the payload is what was linked; one that is gone must be told of by a tombstone later."""
        if not entry["payload_salt"]:
            self.payloads_gone += 1
            return self._missing(entry)
        try:
            if payload_digest_of(entry) != entry["payload_digest"]:
                return False
        except ValueError:
            return False
        if entry["type"] == TOMBSTONE and entry["source"] == "audit":
            self._buried(entry["data"])
        return True

    def _missing(self, entry: Entry) -> bool:
        at = entry["sequence"]
        goes_on = bool(self._gone) and self._gone[-1][1] == at - 1
        first = self._gone.pop()[0] if goes_on else at
        self._gone.append((first, at, entry["hash"]))
        return not any(entry[name] for name in ("data", "before", "changed_paths"))

    def _buried(self, tombstone: Mapping[str, Any]) -> None:
        """Takes a tombstone: what it tells of may be gone, when it is signed by a key that counts."""
        told = {**tombstone, "chain": self.chain}
        try:
            sound = self._counts(told, tombstone_statement(told))
        except KeyError:
            return
        if sound:
            through, link = int(tombstone["through_sequence"]), tombstone["through_hash"]
            left = [one for one in self._gone if one[1] > through or (one[1] == through and one[2] != link)]
            self._gone = [(first if last == through else max(first, through + 1), last, at) for first, last, at in left]

    def _passes(self, entry: Entry) -> bool:
        at = entry["sequence"]
        for checkpoint in self._expected.pop(at, []):
            if str(checkpoint["chain"]) != self.chain:
                return self._broken(at, f"the checkpoint of entry {at} is of another chain")
            if not self._counts(checkpoint, checkpoint_statement(checkpoint)):
                return self._broken(at, f"the checkpoint of entry {at} is not signed by a key that is trusted")
            if checkpoint["head_hash"] != entry["hash"]:
                return self._broken(at, f"entry {at} is another than the one that was signed: the chain was rewritten")
            self.checkpoints += 1
        return True

    def _counts(self, signed: Mapping[str, Any], statement: bytes) -> bool:
        trusted = not self.trusted or signed["public_key"] in self.trusted
        if trusted and is_signed(signed, statement):
            self.keys.add(signed["public_key"])
            return True
        return False

    def _broken(self, at: int, fault: str) -> bool:
        self.broken_at, self.fault = at, fault
        return False
