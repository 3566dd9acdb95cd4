"""How often whom may call: per key, per user and per organization, dear calls counting more than cheap ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.auth.buckets import Bucket, Buckets, Taken
from services.auth.credentials import Credential

# What a call costs besides its own handling; every other call costs 1.
WEIGHTS: Mapping[str, int] = {
    "ExecuteProgram": 5,
    "EvaluateProgram": 20,
    "CreateOptimizationRun": 20,
    "GenerateConfigurations": 5,
    "StreamConfigurations": 20,
    "SignIn": 20,
    "AcceptInvitation": 20,
    "ChangePassword": 20,
}
_WEIGHTY: Mapping[str, int] = {"Batch": 20, "Export": 20, "Aggregate": 5, "Watch": 5}


@dataclass(frozen=True)
class Rate:
    """Calls a second, and how many may come at once."""

    per_second: float
    burst: int


@dataclass(frozen=True)
class Rates:
    """How fast each kind of caller may call."""

    key: Rate = Rate(2_000, 10_000)
    user: Rate = Rate(2_000, 10_000)
    organization: Rate = Rate(5_000, 20_000)
    anonymous: Rate = Rate(100, 1_000)
    """An address from which calls come without a credential that holds: guessing has its pace."""


def cost_of(path: str) -> int:
    """Returns how many tokens a call takes, by its path `/package.Service/Method`."""
    rpc = path.rpartition("/")[2]
    return WEIGHTS.get(rpc) or next((cost for begin, cost in _WEIGHTY.items() if rpc.startswith(begin)), 1)


class Limits:
    """The limits of every caller."""

    def __init__(self, buckets: Buckets, rates: Rates) -> None:
        self._buckets = buckets
        self._rates = rates

    async def admitted(self, credential: Credential, path: str) -> Taken:
        """Counts a call of a credential."""
        rates = self._rates
        buckets = [
            _bucket("key", credential.api_key_id, rates.key),
            _bucket("user", credential.user_id, rates.user),
            _bucket("organization", credential.organization_id, rates.organization),
        ]
        return await self._take(buckets, path)

    async def anonymous(self, address: str, path: str = "") -> Taken:
        """Counts a call without a credential that holds, by where it came from."""
        return await self._take([_bucket("address", address, self._rates.anonymous)], path)

    async def _take(self, buckets: Sequence[Bucket], path: str) -> Taken:
        # A call that costs more than a bucket holds takes a full one: else it would be told to wait, for ever.
        return await self._buckets.take(buckets, min(cost_of(path), *(each.burst for each in buckets)))


def _bucket(kind: str, name: object, rate: Rate) -> Bucket:
    return Bucket(f"{kind}:{name}", rate.per_second, rate.burst)
