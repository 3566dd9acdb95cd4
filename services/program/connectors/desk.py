"""Where a worker asks models: finds the connector, brings its key, and goes through the gate."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import httpx

from framework.egress import EgressRefused
from framework.errors import InvalidFields
from framework.secrets import SecretReferences
from services.program.connectors import foreign, native
from services.program.connectors.answer import Answer
from services.program.connectors.directory import Directory
from services.program.connectors.endpoint import Endpoint
from services.program.connectors.faults import AuthRefused, ModelRefused, TimedOut
from services.program.connectors.native import OnText
from services.program.connectors.providers import NATIVE
from services.program.connectors.soundness import REFERENCE
from services.program.metering.gate import Gate
from services.program.metering.work import Charge, Work, current_purpose
from services.program.tracing import asking, told_by

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet


T = TypeVar("T")


class Desk:
    """One for a worker process; `http` keeps to the egress policy, and so do `others` for what is not OpenAI's."""

    def __init__(
        self,
        directory: Directory,
        gate: Gate,
        http: "Outlet",
        secrets: SecretReferences,
        others: httpx.AsyncClient,
        *,
        traced_texts: bool = False,
    ) -> None:
        self.directory = directory
        self.gate = gate
        self._texts = traced_texts
        self._http = http
        self._others = others
        self._secrets = secrets

    async def find(self, organization_id: UUID, name: str) -> Endpoint | None:
        """Returns the connector that an organization means by a name; None when there is none."""
        return await self.directory.find(organization_id, name)

    async def ask(
        self,
        endpoint: Endpoint,
        work: Work,
        request: Mapping[str, Any],
        max_tokens: int,
        timeout_seconds: float = 600.0,
        on_text: OnText | None = None,
    ) -> tuple[Answer, Charge]:
        """Makes one call, metered; `request` is a chat completion's without model and bound.

        The time is the model's: what a call waits for its turn is not in it.
        """
        most = min(max_tokens, endpoint.output_tokens) if endpoint.output_tokens else max_tokens
        body = {"model": endpoint.model, **request, endpoint.max_tokens_field: most}

        async def ask() -> Answer:
            key, headers = self._credentials(endpoint)
            try:
                if endpoint.provider == NATIVE:
                    bearer = {"authorization": f"Bearer {key}"} if key else {}
                    return await native.chat(self._http, endpoint, {**bearer, **headers}, body, on_text)
                return await foreign.chat(self._others, endpoint, key, headers, body)
            except EgressRefused as refused:
                raise _strayed(endpoint) from refused

        async def traced() -> Answer:
            with asking(endpoint, body, texts=self._texts, purpose=current_purpose(work)) as span:
                return told_by(span, await bounded(timeout_seconds, ask()), texts=self._texts)

        return await self.gate.call(endpoint, work, body, most, traced)

    async def check(self, endpoint: Endpoint, work: Work) -> None:
        """Raises a ModelFault unless the endpoint answers; only what is not OpenAI-compatible is asked for a token."""
        if endpoint.provider != NATIVE:
            await self.ask(endpoint, work, {"messages": [{"role": "user", "content": "ok"}]}, 1)
            return
        key, headers = self._credentials(endpoint)
        bearer = {"authorization": f"Bearer {key}"} if key else {}
        try:
            await native.reachable(self._http, endpoint, {**bearer, **headers})
        except EgressRefused as refused:
            raise _strayed(endpoint) from refused

    def _credentials(self, endpoint: Endpoint) -> tuple[str, dict[str, str]]:
        """Returns the key and the headers, in the name of the organization that the connector belongs to."""
        try:
            key = self._secret(endpoint, endpoint.secret) if endpoint.secret else ""
            return key, {
                name: self._secret(endpoint, value) if value.startswith(REFERENCE) else value
                for name, value in endpoint.headers.items()
            }
        except InvalidFields:
            fault = f"the secret of {endpoint.name} is none that its organization may use: ask the operator to grant it"
            raise AuthRefused(fault) from None

    def _secret(self, endpoint: Endpoint, reference: str) -> str:
        return self._secrets.resolve(endpoint.lender_id, reference).get_secret_value()


async def bounded(seconds: float, asking: Awaitable[T]) -> T:
    """Returns what is awaited; raises TimedOut when it takes longer than it may."""
    try:
        async with asyncio.timeout(seconds):
            return await asking
    except TimeoutError:
        raise TimedOut(f"the model did not answer within {seconds * 1000:.0f} ms") from None


def _strayed(endpoint: Endpoint) -> ModelRefused:
    return ModelRefused(f"{endpoint.name} leads to an address that the operator's egress policy does not allow")
