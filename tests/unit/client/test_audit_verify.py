"""`ashgrove audit verify` over files: no server is asked, and any change of any of them is found."""

import json
from pathlib import Path
from typing import Any

import pytest
from ashgrove.audit.v1.audit_entry_pb2 import AuditEntry
from ashgrove.audit_chain import FIRST, VERSION, entry_of, link_of, payload_digest_of
from ashgrove.audit_statements import checkpoint_statement
from ashgrove.cli import main
from ashgrove.values import to_plain
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.signing import Signer

SIGNER = Signer(Ed25519PrivateKey.generate())
CHAIN = "01900000-0000-7000-8000-000000000000"


def chain(length: int = 4) -> list[dict[str, Any]]:
    """A sound chain as its export has it, a JSON object an entry."""
    made: list[AuditEntry] = []
    for number in range(1, length + 1):
        entry = AuditEntry(
            id=f"01900000-0000-7000-8000-00000000000{number}",
            chain=CHAIN,
            sequence=number,
            type="program.updated",
            source="program",
            source_sequence=number,
            link_version=VERSION,
            payload_salt="5a17",
            changed_paths=["name"],
            previous_hash=made[-1].hash if made else FIRST,
        )
        entry.actor.label = "ann@example.com"
        entry.occurred_at.FromMilliseconds(1_800_000_000_000 + number)
        entry.created_at.FromMicroseconds(1_800_000_000_000_001 + number)
        entry.data.update({"name": "ü", "ratio": 0.1, "large": 1e300, "whole": number})
        entry.payload_digest = payload_digest_of(entry_of(entry))
        entry.hash = link_of(entry.previous_hash, entry_of(entry))
        made.append(entry)
    return [to_plain(entry) for entry in made]


def checkpoint(entry: dict[str, Any], signer: Signer = SIGNER) -> dict[str, Any]:
    """A signed statement that the chain ended with this entry."""
    stated = {"chain": CHAIN, "sequence": int(entry["sequence"]), "head_hash": entry["hash"]}
    signed = {"signature": signer.sign(checkpoint_statement(stated)), "public_key": signer.public_key}
    return {**stated, **signed}


def verify(folder: Path, entries: list[Any], checkpoints: list[Any], *more: str) -> Result:
    """Runs the command over two files."""
    for name, rows in (("entries", entries), ("checkpoints", checkpoints)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = ["--file", str(folder / "entries"), "--checkpoints", str(folder / "checkpoints")]
    return CliRunner().invoke(main, ["audit", "verify", *files, *more])


def test_a_sound_export_holds_without_any_server(tmp_path: Path) -> None:
    """The key that signed is told, for who named none."""
    entries = chain()
    done = verify(tmp_path, entries, [checkpoint(entries[2]), checkpoint(entries[3])])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["valid"], told["verified"], told["checkpoints"]) == (0, True, 4, 2)
    assert told["signed_by"] == [SIGNER.public_key] and told["head_hash"] == entries[-1]["hash"]
    assert "--public-key" in done.stderr
    trusted = verify(tmp_path, entries, [checkpoint(entries[3])], "--public-key", SIGNER.public_key)
    assert (trusted.exit_code, trusted.stderr) == (0, "")


FORGERIES: dict[str, Any] = {
    "altered header": lambda rows: rows[1].update(type="program.purged"),
    "altered actor": lambda rows: rows[1]["actor"].update(label="bob@example.com"),
    "altered payload": lambda rows: rows[1]["data"].update(ratio=0.2),
    "altered salt": lambda rows: rows[1].update(payload_salt="5a18"),
    "garbage for a digest": lambda rows: rows[1].update(payload_digest="no digest"),
    "payload gone": lambda rows: [rows[1].pop(name) for name in ("data", "changed_paths", "payload_salt")],
    "removed": lambda rows: rows.pop(1),
    "reordered": lambda rows: rows.insert(1, rows.pop(2)),
    "inserted": lambda rows: rows.insert(1, dict(rows[0])),
    "a link of another chain": lambda rows: rows[1].update(chain=CHAIN.replace("8", "9")),
    "a link of an unknown kind": lambda rows: rows[1].update(link_version=99),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_export_does_not_hold(tmp_path: Path, kind: str) -> None:
    """The first place that is wrong is named."""
    entries = chain()
    kept = [checkpoint(entries[-1])]
    FORGERIES[kind](entries)
    done = verify(tmp_path, entries, kept, "--public-key", SIGNER.public_key)
    assert (done.exit_code, json.loads(done.stdout)["broken_at"]) == (1, 2)


def test_a_cut_tail_and_another_signer_are_found(tmp_path: Path) -> None:
    """By the checkpoint that was kept, and by the key that is trusted."""
    entries = chain()
    cut = json.loads(verify(tmp_path, entries[:2], [checkpoint(entries[3])]).stdout)
    assert (cut["valid"], cut["broken_at"]) == (False, 3) and "checkpoint covers entry 4" in cut["fault"]
    other = checkpoint(entries[3], Signer(Ed25519PrivateKey.generate()))
    replaced = json.loads(verify(tmp_path, entries, [other], "--public-key", SIGNER.public_key).stdout)
    assert (replaced["valid"], replaced["broken_at"]) == (False, 4) and "not signed by a key" in replaced["fault"]


def test_a_line_that_is_no_entry_is_named(tmp_path: Path) -> None:
    """What cannot be read proves nothing."""
    done = verify(tmp_path, [*chain(1), ["no", "object"]], [])
    assert done.exit_code == 1 and "line 2" in str(done.exception)
