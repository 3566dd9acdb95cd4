"""Envoy's own limit, before any other work: so much from one address, whoever it may be; ext_authz counts finer."""

from dataclasses import dataclass
from typing import Any

_KIND = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_ADDRESSES = 10_000  # that are remembered; the one that was longest not seen is forgotten
_EVERYTHING = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


@dataclass(frozen=True)
class LocalLimit:
    """Calls a second from one address, and how many may come at once.

    Ten times what one key may make: behind one address whole companies sit. Nobody's flood takes from anybody else's.
    """

    per_second: int = 20_000
    burst: int = 40_000


def local_limit(limit: LocalLimit) -> dict[str, Any]:
    """Returns the filter's settings: a bucket for each address, and none that all would share."""
    bucket = {"max_tokens": limit.burst, "tokens_per_fill": limit.per_second, "fill_interval": "1s"}
    unbounded = {"max_tokens": 2**32 - 1, "tokens_per_fill": 2**32 - 1, "fill_interval": "1s"}
    return {
        "@type": _KIND,
        "stat_prefix": "gateway",
        "token_bucket": unbounded,
        "filter_enabled": {"runtime_key": "local_limit_enabled", **_EVERYTHING},
        "filter_enforced": {"runtime_key": "local_limit_enforced", **_EVERYTHING},
        "rate_limited_as_resource_exhausted": True,
        "rate_limits": [{"actions": [{"remote_address": {}}]}],
        "descriptors": [{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
        "max_dynamic_descriptors": _ADDRESSES,
        "response_headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    }
