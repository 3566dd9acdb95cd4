"""The command that proves an audit trail, against the platform or against files that were kept."""

import sys
from pathlib import Path

import click

from ashgrove.audit.v1.audit_checkpoint_pb2 import AuditCheckpoint
from ashgrove.audit.v1.audit_entry_pb2 import AuditEntry
from ashgrove.audit_trail import exported, verified
from ashgrove.client import Client
from ashgrove.printing import console, show_one

_file = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("verify", help="Recompute the whole chain, trusting no server; exit code 1 when it does not hold.")
@click.option("--file", "entries", type=_file, help="What `export audit_entries --order-by sequence` wrote.")
@click.option("--checkpoints", type=_file, help="Kept checkpoints, as `export audit_checkpoints` wrote them.")
@click.option("--public-key", "keys", multiple=True, help="A key whose signatures you trust; others are refused.")
@click.option("--on-server", is_flag=True, help="Let the server recompute it, and take its word.")
def verify(entries: Path | None, checkpoints: Path | None, keys: tuple[str, ...], *, on_server: bool) -> None:
    """Proves a trail."""
    if on_server:
        with Client.from_environment() as client:
            verdict = client.audit.verify()
        show_one(verdict)
        sys.exit(0 if verdict.valid else 1)
    kept = list(exported(checkpoints, AuditCheckpoint)) if checkpoints else []
    if entries:
        found = verified(exported(entries, AuditEntry), kept, keys)
    else:
        with Client.from_environment() as client:
            found = client.audit.verify_here(kept, keys)
    console.print_json(
        data={
            "valid": not found.fault,
            "fault": found.fault,
            "broken_at": found.broken_at,
            "verified": found.count,
            "checkpoints": found.checkpoints,
            "payloads_gone": found.payloads_gone,
            "head_hash": found.head,
            "signed_by": sorted(found.keys),
        }
    )
    if found.fault:
        sys.exit(1)
    if not keys:
        told = "no --public-key was given, so any key's signature counted: keep one of signed_by, and name it next time"
        click.echo(told, err=True)
