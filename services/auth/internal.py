"""What services ask of auth, served beside the public RPCs and never through the gateway."""

import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from ashgrove.auth.v1 import auth_internal_service_pb2 as pb
from ashgrove.auth.v1 import auth_internal_service_pb2_grpc

from framework.call import Context, service_actor
from framework.engine.messages import refuse_if, violations_of
from framework.errors import Unauthenticated
from services.auth.grants import Grants
from services.auth.tokens import Tokens


class InternalServicer(auth_internal_service_pb2_grpc.AuthInternalServiceServicer):
    """Issues tokens to services and keeps grants; `context_of` returns the facts of the call that is being served."""

    def __init__(
        self, tokens: Tokens, grants: Grants, service_secrets: Mapping[str, bytes], context_of: Callable[[], Context]
    ) -> None:
        self._tokens = tokens
        self._grants = grants
        self._secrets = service_secrets
        self._unknown = secrets.token_hex(32).encode()  # so that an unknown service costs the same comparison
        self._context_of = context_of

    async def IssueServiceToken(
        self, request: pb.IssueServiceTokenRequest, context: Any
    ) -> pb.IssueServiceTokenResponse:
        """Trades a service's own secret for an identity token of that service."""
        refuse_if(violations_of(request))
        stored = self._secrets.get(request.service, self._unknown)
        if not hmac.compare_digest(stored, request.secret.encode()):
            raise Unauthenticated
        token = self._tokens.issue_identity(service_actor(request.service))
        response = pb.IssueServiceTokenResponse(identity_token=token.text)
        response.expires_at.FromSeconds(token.expires_at)
        return response

    async def CreateGrant(self, request: pb.CreateGrantRequest, context: Any) -> pb.CreateGrantResponse:
        """Records that a run may act for the caller."""
        refuse_if(violations_of(request))
        return pb.CreateGrantResponse(grant_id=str(await self._grants.create(self._context_of(), request)))

    async def ExchangeGrant(self, request: pb.ExchangeGrantRequest, context: Any) -> pb.ExchangeGrantResponse:
        """Trades a grant for a short identity token."""
        refuse_if(violations_of(request))
        token = await self._grants.exchange(self._context_of(), request.grant_id)
        response = pb.ExchangeGrantResponse(identity_token=token.text)
        response.expires_at.FromSeconds(token.expires_at)
        return response

    async def EndGrant(self, request: pb.EndGrantRequest, context: Any) -> pb.EndGrantResponse:
        """Ends a grant."""
        refuse_if(violations_of(request))
        await self._grants.end(self._context_of(), request.grant_id)
        return pb.EndGrantResponse()

    async def ListOpenGrants(self, request: pb.ListOpenGrantsRequest, context: Any) -> pb.ListOpenGrantsResponse:
        """Lists what has not ended of the calling service's grants."""
        refuse_if(violations_of(request))
        return pb.ListOpenGrantsResponse(grants=await self._grants.open(self._context_of(), request.after))
