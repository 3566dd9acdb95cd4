"""What the optimizer needs besides its database: the other services, tokens to call them with, who watches what."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ashgrove.areas import ProgramArea, VariablesArea
from ashgrove.auth.v1 import auth_internal_service_pb2
from ashgrove.auth.v1.auth_internal_service_pb2_grpc import AuthInternalServiceStub
from grpc import aio

from framework.errors import Failure
from framework.rpc.channels import as_caller, channel_to
from framework.rpc.peer_failures import from_peer
from framework.rpc.service_tokens import ServiceTokens
from framework.settings import ServiceSettings
from services.optimizer.warm import WarmRuns
from services.optimizer.watched import Watched

SERVICE = "optimizer"


@dataclass(frozen=True)
class Application:
    """The peers, one channel each, the runs that are watched in this process, and those that clients ask it about."""

    program: Any
    variables: Any
    auth: Any
    tokens: ServiceTokens
    channels: dict[str, aio.Channel]
    watched: Watched = field(default_factory=Watched)
    warm: WarmRuns = field(default_factory=WarmRuns)

    async def end_grant(self, grant_id: object) -> None:
        """Ends a run's grant, best effort: until the next sweep, one that stays lets nobody act but this service."""
        with suppress(Failure), from_peer("auth"):
            request = auth_internal_service_pb2.EndGrantRequest(grant_id=str(grant_id))
            await self.auth.EndGrant(request, metadata=as_caller(await self.tokens.own()), timeout=5.0)

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self.channels.values():
            await channel.close()


def application(settings: ServiceSettings) -> Application:
    """Connects to the peers; nothing is asked of them yet."""
    names = ("auth", "program", "variables")
    channels = {name: channel_to(getattr(settings, f"{name}_address"), settings, name) for name in names}
    auth: Any = AuthInternalServiceStub(channels["auth"])
    secret = (settings.secrets / f"{SERVICE}.secret").read_text().strip()
    return Application(
        ProgramArea(channels["program"]),
        VariablesArea(channels["variables"]),
        auth,
        ServiceTokens(auth, auth_internal_service_pb2, SERVICE, secret),
        channels,
    )
