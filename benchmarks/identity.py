"""What identity and the audit trail cost: `python -m benchmarks identity`, with the stack running for the second half.

In this process: links verified a second, a key's first and remembered check, a remembered identity token. Against the
stack: what ext_authz adds to a call through Envoy, how long a revoked key still works, and what a flood of wrong keys
does to others.
"""

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any

import uvloop
from ashgrove.audit_chain import FIRST, VERSION, link_of, payload_digest_of
from ashgrove.audit_verification import Verification
from ashgrove.settings import ClientSettings
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from benchmarks.gates import measured_gates
from deploy.local.state import State
from framework.call import Role
from framework.identifiers import new_id
from framework.rpc.identity import Verifier
from services.auth import keys
from services.auth.credentials import Credential, Credentials
from services.auth.gatekeeper import Gatekeeper
from services.auth.keyring import single
from services.auth.tokens import Tokens

ENTRIES = 20_000
KEYS = 10_000
CHECKS = 5_000
ROUNDS = 3
_GET = "/ashgrove.program.v1.ProgramService/GetProgram"
_PEPPER = b"pepper"
console = Console()


def main() -> None:
    """Prints what was measured here, then what was measured against the stack, when one runs."""
    table = Table("what", "seen", "beside it")
    for row in [_verifying(), *_checking(), uvloop.run(_verified_token())]:
        table.add_row(*row)
    console.print(table)
    settings = ClientSettings()
    running = {p.name: p.address for p in State(settings.home).read()}
    if "envoy" in running:
        console.print(uvloop.run(measured_gates(settings, running["envoy"])))
    else:
        console.print(
            "nothing runs: ext_authz, revocation and the flood were not measured; start the stack with `make up`"
        )


def _verifying() -> tuple[str, str, str]:
    """A chain as the platform makes it, against hashing the same number of payloads of the same size."""
    chain = _chain()
    speeds, bare = [], []
    payload = bytes(400)
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = Verification()
        assert found.walk(chain)
        speeds.append(ENTRIES / (time.perf_counter() - began))
        began = time.perf_counter()
        for _ in chain:
            for part in (payload, payload, payload[:96]):
                hashlib.sha256(part).digest()
        bare.append(ENTRIES / (time.perf_counter() - began))
    ratio = f"{median(speeds) / median(bare):.3f} of SHA-256 alone over as many bytes"
    return "links of the audit chain verified", f"{median(speeds):,.0f}/s", ratio


def _chain() -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    previous, organization, now = FIRST, str(new_id()), datetime.now(UTC)
    for number in range(1, ENTRIES + 1):
        entry: dict[str, Any] = {
            **dict.fromkeys(("resource_id", "actor_id"), str(new_id())),
            **dict.fromkeys(("action", "outcome", "type", "resource_type", "source", "request_id"), "UpdateProgram"),
            **dict.fromkeys(("client_address", "user_agent", "trace_id"), "192.0.2.1"),
            **dict.fromkeys(("created_at", "occurred_at"), now),
            "id": str(new_id()),
            "chain": organization,
            "sequence": number,
            "source_sequence": number,
            "link_version": VERSION,
            "actor": {"kind": "KIND_USER", "id": str(new_id()), "label": "ann@example.com"},
            "data": {"name": "x" * 100, "description": "y" * 100, "ratio": 0.5, "revision": number},
            "changed_paths": ["description", "name"],
            "before": {"name": "z" * 100},
            "payload_salt": "5a17" * 8,
            "previous_hash": previous,
        }
        entry["payload_digest"] = payload_digest_of(entry)
        previous = entry["hash"] = link_of(previous, entry)
        made.append(entry)
    return made


def _checking() -> Iterator[tuple[str, str, str]]:
    """A key that was never seen, and one that was, beside the HMAC that a digest is."""
    secrets = [keys.new_key() for _ in range(KEYS)]
    known = Credentials()
    people = [new_id() for _ in range(100)]
    known.learn(
        Credential(new_id(), keys.digest(one, _PEPPER), people[i % 100], people[i % 7], Role.USER, False, True, None)
        for i, one in enumerate(secrets)
    )
    gate = Gatekeeper(known, _tokens(), _PEPPER)
    first = _timed(lambda i: gate.admit(_GET, f"Bearer {secrets[i]}", ""))
    again = _timed(lambda i: gate.admit(_GET, f"Bearer {secrets[i]}", ""))
    wrong = _timed(lambda i: gate.admit(_GET, f"Bearer {secrets[i][:-1]}x", ""))
    bare = median(_timed(lambda i: hmac.digest(_PEPPER, secrets[i].encode(), "sha256")))
    for what, times in (("first check of a key", first), ("check of a remembered key", again), ("a wrong key", wrong)):
        yield (
            f"{what}, one of {KEYS:,}",
            f"p50 {median(times):.1f} µs, p99 {_p99(times):.1f} µs",
            (f"{median(times) / bare:.0f} of an HMAC-SHA256 ({bare:.1f} µs)"),
        )


async def _verified_token() -> tuple[str, str, str]:
    """An identity token in a service: verified once, then remembered."""
    tokens = _tokens()
    people = [Credential(new_id(), b"", new_id(), new_id(), Role.USER, False, True, None) for _ in range(500)]
    texts = [tokens.issue_identity(credential.actor()).text for credential in people]

    async def fetch() -> Any:
        return tokens.jwks()

    verifier = Verifier(fetch)
    first = [await _awaited(lambda text=text: verifier.actor(text)) for text in texts]
    again = [await _awaited(lambda text=text: verifier.actor(text)) for text in texts * 10]
    beside = f"{median(first) / median(again):.0f} times less than verifying it ({median(first):.0f} µs)"
    return "check of a remembered identity token", f"p50 {median(again):.2f} µs, p99 {_p99(again):.2f} µs", beside


def _tokens() -> Tokens:
    return Tokens(single(Ed25519PrivateKey.generate()), access_seconds=900, identity_seconds=60)


def _timed(act: Callable[[int], object]) -> list[float]:
    times = []
    for i in range(CHECKS):
        began = time.perf_counter()
        act(i)
        times.append((time.perf_counter() - began) * 1e6)
    return times


async def _awaited(act: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await act()
    return (time.perf_counter() - began) * 1e6


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)]


if __name__ == "__main__":
    main()
