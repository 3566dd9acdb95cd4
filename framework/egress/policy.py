"""Makes HTTP clients that reach the public internet and the operator's own hosts, and nothing else."""

import ssl
from functools import cache, cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import httpx

from framework.egress.connecting import CheckedBackend, Resolve, looked_up
from framework.egress.judging import rules_of
from framework.egress.transport import CheckedTransport
from framework.settings import OutsideSettings

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet

RESPONSE_BYTES = 32 * 1024 * 1024
MOST_REDIRECTS = 5
# Whatever else httpx takes could lead around the checks: a proxy, a socket, another transport.
_OPTIONS = frozenset({"auth", "base_url", "event_hooks", "follow_redirects", "headers", "params", "timeout"})


class EgressPolicy:
    """What may be called outside; the same for models, tools and webhooks of every organization."""

    def __init__(self, settings: OutsideSettings, resolve: Resolve = looked_up) -> None:
        """Raises ValueError, naming the setting, when a word of it is neither a host nor a network."""
        self._rules = rules_of(settings)
        self._authorities = settings.egress_ca
        self._resolve = resolve

    def check(self, url: str, field: str = "url") -> None:
        """Raises EgressRefused, naming the field, when a URL may certainly not be called.

        Names are not looked up: where they lead is decided anew at each connection, and would tell of our network here.
        """
        self._rules.check(url, field)

    def client(
        self,
        *,
        limits: httpx.Limits | None = None,
        max_response_bytes: int = RESPONSE_BYTES,
        max_redirects: int = MOST_REDIRECTS,
        **options: Any,
    ) -> httpx.AsyncClient:
        """Returns a client; it raises EgressRefused where a call would leave the rules.

        Takes httpx's options except those that would lead around the checks. Redirects, when followed, stay at the
        scheme, host and port; an answer longer than `max_response_bytes` raises httpx.RemoteProtocolError; no cookie
        is kept, for a client may serve many organizations.
        """
        odd = sorted(options.keys() - _OPTIONS)
        if odd:
            raise TypeError(f"{', '.join(odd)}: a checked client takes {', '.join(sorted(_OPTIONS))}")
        backend = CheckedBackend(self._rules, self._resolve)
        return httpx.AsyncClient(
            transport=CheckedTransport(self._rules, backend, self._context, limits, max_response_bytes),
            trust_env=False,  # no proxy of the environment
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            max_redirects=min(max_redirects, MOST_REDIRECTS),
            **options,
        )

    def outlet(self, connections: int = 100) -> "Outlet":
        """Returns a client for many small calls at once, which keeps to the same rules and bounds."""
        from framework.egress.guarding import Guard  # most processes call nobody so often
        from framework.egress.outlet import Outlet

        return Outlet(connections, Guard(self._rules, self._resolve, lambda: self._context))

    @cached_property
    def _context(self) -> ssl.SSLContext:
        if self._authorities is None:
            return _public()
        context = httpx.create_ssl_context(trust_env=False)
        context.load_verify_locations(cafile=self._authorities)
        return context


@cache
def _public() -> ssl.SSLContext:
    # Made once: reading the authorities takes tens of milliseconds.
    return httpx.create_ssl_context(trust_env=False)
