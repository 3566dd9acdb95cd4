"""The one object between DSPy and a model: it meters, and speaks to the local model or to an endpoint."""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr

from services.program.lm import nearest

LOCAL = "local/"
DEFAULT_MODEL = "local/nearest-demo"
# Nominal prices in millionths of a credit per token, so that budgets and cost objectives work offline too.
INPUT_MICROS, OUTPUT_MICROS = 1, 4


class ModelSettings(BaseModel):
    """Which model is meant when none is named, and where all but the local ones live."""

    model_config = ConfigDict(frozen=True)

    default_model: str = DEFAULT_MODEL
    base_url: str = ""
    api_key: SecretStr | None = None


class ModelFault(Exception):  # noqa: N818 - the tree's root; its leaves say what happened
    """A model did not give an answer that can be used; the message is fit for the caller."""

    charged: "Meter | None" = None
    """What it took all the same, once the runner knows."""


class ModelUnavailable(ModelFault):
    """It does not answer now; trying again may help."""


class ModelRefused(ModelFault):
    """It refused the request; trying again will not help."""


class OutputUnparsable(ModelFault):
    """It answered something that is not in the shape of the signature."""


@dataclass
class Meter:
    """What the calls of one prediction took."""

    seed: int = 0
    sample_index: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: float = 0.0

    @property
    def cost_micros(self) -> int:
        """The price, in millionths of a credit."""
        return self.input_tokens * INPUT_MICROS + self.output_tokens * OUTPUT_MICROS


# DSPy strips what it does not know from a request, so seed and counters travel beside it.
meter: ContextVar[Meter] = ContextVar("ashgrove_meter")


class Engine:
    """DSPy's engine for one model."""

    def __init__(self, model: str, settings: ModelSettings, http: httpx.AsyncClient) -> None:
        self.model = model
        self.settings = settings
        self.http = http

    async def complete(self, request: Any) -> Any:
        """Answers one request, and charges the prediction's meter."""
        from dspy.lm15 import Message, Response, Usage

        began = time.perf_counter()
        text, used = self._local(request) if self.model.startswith(LOCAL) else await self._remote(request)
        charged = meter.get()
        charged.latency_ms += (time.perf_counter() - began) * 1000
        charged.input_tokens += used[0]
        charged.output_tokens += used[1]
        usage = Usage(input_tokens=used[0], output_tokens=used[1], total_tokens=sum(used))
        return Response(
            id=None, model=request.model, message=Message.assistant(text), finish_reason="stop", usage=usage
        )

    def _local(self, request: Any) -> tuple[str, tuple[int, int]]:
        if request.tools:
            raise ModelRefused(f"{self.model} knows no tools")
        charged, config = meter.get(), request.config
        sampling = nearest.Sampling(
            config.temperature or 0.0,
            1.0 if config.top_p is None else config.top_p,
            charged.seed,
            charged.sample_index,
        )
        turns = [nearest.Turn(m.role, m.text or "") for m in request.messages]
        said = nearest.answer(str(request.system or ""), turns, sampling)
        return said.text, (said.input_tokens, said.output_tokens)

    async def _remote(self, request: Any) -> tuple[str, tuple[int, int]]:
        if not self.settings.base_url:
            raise ModelRefused(f"the model {self.model} needs an endpoint: set ASHGROVE_LM_BASE_URL")
        data = await self._posted(self._body(request))
        try:
            text = data["choices"][0]["message"]["content"] or ""
            usage = data.get("usage") or {}
            return text, (int(usage.get("prompt_tokens", 0)), int(usage.get("completion_tokens", 0)))
        except (KeyError, IndexError, TypeError) as error:
            raise ModelRefused(f"{self.model} answered in a shape that is not OpenAI's") from error

    def _body(self, request: Any) -> dict[str, Any]:
        config = request.config
        messages = [{"role": "system", "content": str(request.system)}] if request.system else []
        messages += [{"role": m.role, "content": m.text} for m in request.messages]
        wanted = {"temperature": config.temperature, "top_p": config.top_p, "max_tokens": config.max_tokens}
        body = {"model": self.model, "messages": messages, "seed": meter.get().seed % 2**31}
        return body | {k: v for k, v in wanted.items() if v is not None}

    async def _posted(self, body: Mapping[str, Any]) -> Any:
        key = self.settings.api_key.get_secret_value() if self.settings.api_key else ""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        url = f"{self.settings.base_url.rstrip('/')}/chat/completions"
        try:
            answer = await self.http.post(url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ModelUnavailable(f"the endpoint of {self.model} does not answer") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise ModelUnavailable(f"the endpoint of {self.model} answers {answer.status_code}")
        if answer.status_code >= 400:
            raise ModelRefused(f"the endpoint of {self.model} refused the request with {answer.status_code}")
        try:
            return answer.json()
        except ValueError as error:  # a proxy's page, for one
            raise ModelUnavailable(f"the endpoint of {self.model} answers something that is not JSON") from error


class NoSyncEngine:
    """Stands where DSPy wants a blocking engine: every call here is asynchronous."""

    def complete(self, request: Any) -> Any:
        """Refuses."""
        raise ModelRefused("programs run asynchronously")
