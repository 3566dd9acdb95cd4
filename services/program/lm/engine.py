"""The one object between DSPy and a model: it meters, and speaks to the local model or to an endpoint."""

import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, SecretStr

from domain import pricing
from domain.pricing import Price, Usage
from framework.telemetry import on
from services.program.connectors import native
from services.program.connectors.answer import Answer
from services.program.connectors.desk import Desk, bounded
from services.program.connectors.endpoint import EVERYBODY, Endpoint
from services.program.connectors.faults import (
    BudgetSpent,
    ModelFault,
    ModelRefused,
    ModelUnavailable,
    OutputUnparsable,
)
from services.program.connectors.native import OnText
from services.program.lm import nearest
from services.program.lm.patience import Patience
from services.program.metering.work import Budget, Charge, current_work
from services.program.tracing import asking, told_by

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet


LOCAL = "local/"
DEFAULT_MODEL = "local/nearest-demo"
ONCE = Patience(1, 0.0)
# Nominal prices of the local model, so that budgets and cost objectives work offline too: a credit is a dollar.
LOCAL_PRICE = Price(input_micros=1_000_000, output_micros=4_000_000)


class ModelSettings(BaseModel):
    """Which model is meant when none is named, and where all but the local ones live."""

    model_config = ConfigDict(frozen=True)

    default_model: str = DEFAULT_MODEL
    base_url: str = ""
    api_key: SecretStr | None = None
    input_micros: int | None = None
    """What a million tokens of input cost there, in millionths of a dollar; unknown when None."""
    output_micros: int | None = None
    traced_texts: bool = False
    """Whether spans tell what is asked and answered."""

    @property
    def price(self) -> Price:
        """What the endpoint of the settings costs."""
        return Price(self.input_micros, self.output_micros)


@dataclass
class Meter:
    """What the calls of one prediction took."""

    seed: int = 0
    sample_index: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    latency_ms: float = 0.0
    cost_nanos: int = 0
    unpriced: bool = False
    """Whether some call has no known price: the cost then leaves it out."""
    estimated: bool = False
    """Whether some call's use is not known, and is what was set aside for it."""
    calls: int = 0

    @property
    def cost_micros(self) -> int:
        """The price, in millionths of a dollar, rounded up."""
        return pricing.micros(self.cost_nanos)

    def charge(self, charge: Charge) -> None:
        """Takes one call into account."""
        self.calls += 1
        self.input_tokens += charge.usage.input_tokens
        self.output_tokens += charge.usage.output_tokens
        self.latency_ms += charge.latency_ms
        self.cost_nanos += charge.cost_nanos or 0
        self.unpriced = self.unpriced or charge.cost_nanos is None
        self.estimated = self.estimated or charge.estimated

    def include(self, took: Any) -> None:
        """Takes into account what another program took that was asked on the way."""
        self.input_tokens += took.input_tokens
        self.output_tokens += took.output_tokens
        self.cost_nanos += took.cost_micros * pricing.NANOS
        self.unpriced = self.unpriced or took.unpriced
        self.estimated = self.estimated or took.estimated

    def since(self, earlier: "Meter") -> "Meter":
        """Returns what was taken since; what is not exact is so as a whole."""
        return replace(
            self,
            input_tokens=self.input_tokens - earlier.input_tokens,
            output_tokens=self.output_tokens - earlier.output_tokens,
            cost_nanos=self.cost_nanos - earlier.cost_nanos,
        )


# DSPy strips what it does not know from a request, so seed and counters travel beside it.
meter: ContextVar[Meter] = ContextVar("ashgrove_meter")


@dataclass(frozen=True)
class Asked:
    """What a model is asked: a chat, its system message first, and how the answer is drawn."""

    messages: Sequence[Mapping[str, Any]]
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    tools: bool = False
    """Whether it is offered tools."""


def listener() -> OnText | None:
    """Returns who is told the words of the call that is made now, as they come; None when nobody is."""
    story = work.story if (work := current_work()) else None
    return story.on_text if story and story.listens else None


class Engine:
    """DSPy's engine for one model: a local one, a connector's, or the endpoint of the settings."""

    def __init__(
        self,
        model: str,
        settings: ModelSettings,
        http: "Outlet",
        desk: Desk | None = None,
        timeout_seconds: float = 600.0,
        patience: Patience = ONCE,
    ) -> None:
        self.model = model
        self.settings = settings
        self.http = http
        self.desk = desk
        self.timeout_seconds = timeout_seconds
        self.patience = patience

    async def complete(self, request: Any) -> Any:
        """Answers one request of DSPy's, and charges the prediction's meter."""
        from dspy.lm15 import Message, Response
        from dspy.lm15 import Usage as Told

        answer, charge = await self.ask(_asked(request))
        used = charge.usage.input_tokens, charge.usage.output_tokens
        return Response(
            id=None,
            model=request.model,
            message=Message.assistant(answer.text),
            finish_reason="length" if answer.finish_reason == "length" else "stop",
            usage=Told(input_tokens=used[0], output_tokens=used[1], total_tokens=sum(used)),
        )

    async def ask(self, asked: Asked) -> tuple[Answer, Charge]:
        """Returns the answer and what it came to; the prediction's meter is charged with every try."""
        answer, charge = await self.patience.asked(lambda: self._told(asked))
        meter.get().charge(charge)
        return answer, charge

    async def _told(self, asked: Asked) -> tuple[Answer, Charge]:
        """Returns the answer and what it came to; the work's story, if it has one, has both."""
        story = work.story if (work := current_work()) else None
        call = story.begin_call() if story else 0
        try:
            answer, charge = await self._answered(asked)
        except ModelFault as fault:
            if fault.charge is not None:
                meter.get().charge(fault.charge)
            if story:
                story.failed(call, self.model, str(fault), fault.error_class, fault.charge)
            raise
        if story:
            await story.answered(call, self.model, answer.text, charge)
        return answer, charge

    async def _answered(self, asked: Asked) -> tuple[Answer, Charge]:
        if not self.model.startswith(LOCAL) and self.desk is not None:
            work = current_work()
            endpoint = await self.desk.find(work.organization_id, self.model) if work else None
            if work is not None and endpoint is not None:
                return await self._through(endpoint, work, asked)
        began = time.perf_counter()
        local = self.model.startswith(LOCAL)
        texts = self.settings.traced_texts
        with asking(self._endpoint, self._body(asked) if on() else {}, texts=texts) as span:
            answer = told_by(span, self._afforded(asked) if local else await self._remote(asked), texts=texts)
        took = answer.usage or Usage()
        cost = (LOCAL_PRICE if local else self.settings.price).cost_nanos(took) if answer.usage else None
        charge = Charge(took, cost, (time.perf_counter() - began) * 1000, answer.usage is None)
        if work := current_work():
            work.budget.settle(0, charge)
        return answer, charge

    def _afforded(self, asked: Asked) -> Answer:
        """Asks the local model within the budget of the work: its price is nominal, and kept like any other."""
        budget = work.budget if (work := current_work()) else Budget()
        size = sum(nearest.tokens(each["content"] or "") for each in asked.messages)
        reserved = LOCAL_PRICE.cost_nanos(Usage(size, asked.max_tokens or 0)) or 0
        budget.reserve(reserved)
        try:
            return self._local(asked)
        finally:
            budget.settle(reserved, None)  # it took no time, and what it came to is told with its answer

    async def _through(self, endpoint: Endpoint, work: Any, asked: Asked) -> tuple[Answer, Charge]:
        """Asks a connector; the time that a call waits for its turn is not the model's."""
        body = self._body(asked)
        most = body.pop("max_tokens", 0)
        body.pop("model")
        assert self.desk is not None
        return await self.desk.ask(endpoint, work, body, most, self.timeout_seconds, listener())

    def _local(self, asked: Asked) -> Answer:
        if asked.tools:
            raise ModelRefused(f"{self.model} knows no tools")
        charged = meter.get()
        top_p = 1.0 if asked.top_p is None else asked.top_p
        sampling = nearest.Sampling(asked.temperature or 0.0, top_p, charged.seed, charged.sample_index)
        system = "".join(each["content"] for each in asked.messages if each["role"] == "system")
        turns = [nearest.Turn(m["role"], m["content"] or "") for m in asked.messages if m["role"] != "system"]
        said = nearest.answer(system, turns, sampling)
        return Answer(said.text, Usage(said.input_tokens, said.output_tokens))

    async def _remote(self, asked: Asked) -> Answer:
        if not self.settings.base_url:
            raise ModelRefused(f"there is no connector {self.model}: create one, or set ASHGROVE_LM_BASE_URL")
        budget = work.budget if (work := current_work()) else None
        if budget is not None and budget.limit_nanos is not None:
            raise BudgetSpent(
                f"{self.model} has no connector: only those keep a spending limit; create one with prices"
            )
        if budget is not None and budget.counted and not self.settings.price.known:
            raise BudgetSpent(
                f"the run's limit of cost cannot be kept: the price of {self.model} is unknown; "
                "create a connector with prices"
            )
        key = self.settings.api_key.get_secret_value() if self.settings.api_key else ""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return await bounded(
            self.timeout_seconds, native.chat(self.http, self._endpoint, headers, self._body(asked), listener())
        )

    @cached_property
    def _endpoint(self) -> Endpoint:
        """Returns the endpoint of the settings: the operator's own, without limits and books."""
        if self.model.startswith(LOCAL):
            return Endpoint(EVERYBODY, EVERYBODY, self.model, "ashgrove", "", self.model)
        name = f"the endpoint of {self.model}"
        return Endpoint(EVERYBODY, EVERYBODY, name, "openai", self.settings.base_url, self.model)

    def _body(self, asked: Asked) -> dict[str, Any]:
        wanted = {"temperature": asked.temperature, "top_p": asked.top_p, "max_tokens": asked.max_tokens}
        body = {
            "model": self.model,
            "messages": [dict(each) for each in asked.messages],
            "seed": meter.get().seed % 2**31,
        }
        return body | {k: v for k, v in wanted.items() if v is not None}


def _asked(request: Any) -> Asked:
    """Returns what a request of DSPy's asks."""
    config = request.config
    messages = [{"role": "system", "content": str(request.system)}] if request.system else []
    messages += [{"role": m.role, "content": m.text} for m in request.messages]
    return Asked(messages, config.temperature, config.top_p, config.max_tokens, bool(request.tools))


class NoSyncEngine:
    """Stands where DSPy wants a blocking engine: every call here is asynchronous."""

    def complete(self, request: Any) -> Any:
        """Refuses."""
        raise ModelRefused("programs run asynchronously")


__all__ = [
    "DEFAULT_MODEL",
    "Asked",
    "Engine",
    "Meter",
    "ModelFault",
    "ModelRefused",
    "ModelSettings",
    "ModelUnavailable",
    "NoSyncEngine",
    "OutputUnparsable",
    "listener",
    "meter",
]
