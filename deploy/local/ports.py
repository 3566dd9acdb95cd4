"""Free ports on loopback."""

import secrets
import socket
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
    """Returns the first of so many free ports in a row, where the kernel puts no connection meanwhile."""
    end = _first_of_connections()
    while True:
        port = secrets.choice(range(_LOWEST, end - count))
        if all(is_free(port + i) for i in range(count)):
            return port


def _first_of_connections() -> int:
    """Returns the first port that the kernel gives to whoever connects, a usual one where it gives nearly all."""
    found = int(_CONNECTIONS.read_text().split()[0]) if _CONNECTIONS.exists() else 0
    return found if found > 2 * _LOWEST else 32_768
