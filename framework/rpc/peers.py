"""The other services as this one knows them: a channel each, tokens of its own, and their feeds."""

from collections.abc import Callable, Sequence
from typing import Any

from grpc import aio

from framework.rpc.channels import channel_to
from framework.rpc.feeds import PeerFeed
from framework.rpc.service_tokens import ServiceTokens
from framework.settings import ServiceSettings


class Peers:
    """Connects to other services; nothing is asked of them yet.

    `stub` and `requests` are `AuthInternalService`'s: the framework itself knows no service.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        service: str,
        names: Sequence[str],
        stub: Callable[[aio.Channel], Any],
        requests: Any,
    ) -> None:
        self.channels = {name: channel_to(getattr(settings, f"{name}_address"), settings, name) for name in names}
        secret = (settings.secrets / f"{service}.secret").read_text().strip()
        self.tokens = ServiceTokens(stub(self.channels["auth"]), requests, service, secret)

    def feed(self, service: str) -> PeerFeed:
        """Returns a service's feed."""
        return PeerFeed(service, self.channels[service], self.tokens)

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self.channels.values():
            await channel.close()
