"""What every answer tells a browser: keep nothing, guess nothing, frame nothing, and come back by TLS only."""

from typing import Any

_YEAR_SECONDS = 31_536_000
# Whatever a service says, for none has a reason to say otherwise.
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}
# Unless it knows better: pages have scripts of their own, streams may not be held back.
_USUALLY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


def security_headers(*, tls: bool) -> list[dict[str, Any]]:
    """Returns the mutations of every answer's headers; a promise of TLS only where there is TLS."""
    always = _ALWAYS | ({"strict-transport-security": f"max-age={_YEAR_SECONDS}"} if tls else {})
    return [
        *(_header(name, value, "OVERWRITE_IF_EXISTS_OR_ADD") for name, value in always.items()),
        *(_header(name, value, "ADD_IF_ABSENT") for name, value in _USUALLY.items()),
    ]


def _header(name: str, value: str, action: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": action}
