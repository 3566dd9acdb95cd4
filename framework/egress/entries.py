"""The words of the settings: hosts, patterns of hosts, and networks, each with or without a port."""

import re
from dataclasses import dataclass
from ipaddress import ip_network

from framework.egress.addresses import Address, Network

_NAME = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_ENTRY = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<plain>[^:]+)|(?P<bare>.*:.*:.*))(?::(?P<port>\d{1,5}))?", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One host by name, all hosts below a name, or a network; on one port or, without one, on all."""

    host: str
    network: Network | None
    port: int | None

    def names(self, host: str, port: int) -> bool:
        """Tells whether the entry is about a host of that name."""
        if self.network is not None or self.port not in {None, port}:
            return False
        return host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host

    def holds(self, address: Address, port: int) -> bool:
        """Tells whether the address lies in the entry's network."""
        return self.network is not None and address in self.network and self.port in {None, port}


def entry(word: str) -> Entry:
    """Reads one word; raises ValueError with what would be right."""
    parts = _ENTRY.fullmatch(word.lower())
    text = (parts["v6"] or parts["plain"] or parts["bare"]) if parts else ""
    port = int(parts["port"]) if parts and parts["port"] else None
    if port is not None and not 0 < port < 65_536:
        raise ValueError(f"{word!r}: a port is between 1 and 65535")
    try:
        return Entry("", ip_network(text), port)
    except ValueError:
        if _NAME.fullmatch(text) and not text.rpartition(".")[2].isdigit() and "/" not in text:
            return Entry(text, None, port)
    raise ValueError(f"{word!r}: write a host such as models.internal, *.example.com:8443, or a network as 10.1.0.0/16")
