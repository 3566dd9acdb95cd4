"""Free ports on loopback."""

import secrets
import socket
from contextlib import ExitStack
from pathlib import Path

_LOWEST = 10_000
_CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Says whether a server could listen on 127.0.0.1 at this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(count: int = 1) -> int:
    """Returns the first of so many free ports in a row, which nobody else is given while this process lives.

    None is one where the kernel puts a connection meanwhile.
    """
    end = _first_of_connections()
    while True:
        port = secrets.choice(range(_LOWEST, end - count))
        with ExitStack() as given_up:
            claims = [given_up.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
            if all(_claims(claim, port + i) and is_free(port + i) for i, claim in enumerate(claims)):
                for claim in claims:
                    claim.detach()  # open until the process ends
                return port


def _claims(claim: socket.socket, port: int) -> bool:
    # Servers begin to listen long after their ports were chosen, and those of a test come and go. The claim is on UDP,
    # of which no server here knows: a port that has one is left alone by all who choose.
    try:
        claim.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _first_of_connections() -> int:
    """Returns the first port that the kernel gives to whoever connects, a usual one where it gives nearly all."""
    found = int(_CONNECTIONS.read_text().split()[0]) if _CONNECTIONS.exists() else 0
    return found if found > 2 * _LOWEST else 32_768
