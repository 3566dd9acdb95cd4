"""The rules of the way out: which URLs may be named, and to which addresses a name may lead."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx

from framework.egress.addresses import Address, is_metadata, is_public, may_be_named, parsed
from framework.egress.entries import Entry, entry
from framework.errors import FieldViolation, InvalidFields
from framework.settings import OutsideSettings

LONGEST_URL = 2_048
_PORTS = {"http": 80, "https": 443}
_NEVER_PUBLIC = (".internal", ".local", ".localhost", ".home.arpa")
"""What names of private networks end in, `metadata.google.internal` for one."""
_ALLOWED_BY_OPERATOR = "or ask the operator of the platform to allow this host"


class EgressRefused(InvalidFields):
    """The URL, or what it leads to, may not be called; the field and the remedy are in it, what was found is not."""

    def __init__(self, field: str, remedy: str) -> None:
        super().__init__(FieldViolation(field, remedy))


@dataclass(frozen=True)
class Rules:
    """What the operator allows: own hosts and networks, and, when there are any, the only public hosts."""

    own: Sequence[Entry]
    public: Sequence[Entry]

    def check(self, url: httpx.URL | str, field: str) -> httpx.URL:
        """Returns the URL as it will be called; raises EgressRefused. No name is looked up."""
        parts = _url(url, field)
        host, port = _host(parts), port_of(parts)
        address = _literal(host, field)
        own = any(e.names(host, port) for e in self.own) or (address is not None and self._own(address, port))
        if parts.scheme != "https" and not (parts.scheme == "http" and own):
            raise EgressRefused(field, f"must start with https://, {_ALLOWED_BY_OPERATOR} without it")
        if address is not None and not self.leads(host, port, [address]):
            raise unreachable(field)
        if not own and not self._may_be_public(host, port, address):
            raise EgressRefused(field, f"choose a host that the platform may call, {_ALLOWED_BY_OPERATOR}")
        return parts

    def leads(self, host: str, port: int, addresses: Iterable[Address]) -> bool:
        """Tells whether a host may be called where its name leads: to no address but those that it may have."""
        named = any(e.names(host.lower().rstrip("."), port) for e in self.own)
        found = list(addresses)
        return bool(found) and all(is_public(a) or (named and may_be_named(a)) or self._own(a, port) for a in found)

    def _own(self, address: Address, port: int) -> bool:
        return not is_metadata(address) and any(e.holds(address, port) for e in self.own)

    def _may_be_public(self, host: str, port: int, address: Address | None) -> bool:
        if self.public:
            return any(e.names(host, port) or (address is not None and e.holds(address, port)) for e in self.public)
        # A name without a dot is of our own network, whatever it leads to.
        return address is not None or ("." in host and not host.endswith(_NEVER_PUBLIC))


def rules_of(settings: OutsideSettings) -> Rules:
    """Reads the settings; raises ValueError that names the setting and the word."""
    return Rules(_entries("egress_allow", settings.egress_allow), _entries("egress_hosts", settings.egress_hosts))


def port_of(url: httpx.URL) -> int:
    """Returns the port that a URL is called at."""
    return url.port or _PORTS.get(url.scheme, 0)


def unreachable(field: str) -> EgressRefused:
    """Returns the one refusal for names that lead nowhere and names that lead where nobody may go."""
    return EgressRefused(field, f"leads to no address of the public internet: correct the host, {_ALLOWED_BY_OPERATOR}")


def _entries(setting: str, words: Sequence[str]) -> list[Entry]:
    try:
        return [entry(word) for word in words]
    except ValueError as error:
        raise ValueError(f"ASHGROVE_{setting.upper()}: {error}") from None


def _url(url: httpx.URL | str, field: str) -> httpx.URL:
    if len(str(url)) > LONGEST_URL:
        raise EgressRefused(field, f"must have at most {LONGEST_URL} characters")
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError, UnicodeError):
        raise EgressRefused(field, "must be a URL such as https://models.example.com/v1") from None
    if parts.scheme not in _PORTS or not parts.host or not 0 < port_of(parts) < 65_536 or "\\" in str(url):
        raise EgressRefused(field, "must be a URL such as https://models.example.com/v1")
    if parts.userinfo:
        raise EgressRefused(field, "must name no user and no password: keep them as a secret")
    return parts


def _host(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii").lower().rstrip(".")


def _literal(host: str, field: str) -> Address | None:
    address = parsed(host)
    if address is None:
        try:
            socket.inet_aton(host)  # 127.1, 0x7f000001 and 2130706433 are addresses too
        except OSError:
            return None
        raise EgressRefused(field, "must write an address in its usual form, such as 192.0.2.1")
    return address
