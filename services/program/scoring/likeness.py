"""Likeness of meaning: the cosine of vectors that a model, or the weak kind in its place, makes of texts."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from domain.metrics import mean
from domain.metrics.text import text_of
from domain.metrics.vectors import LOCAL, cosine, ngrams
from domain.pricing import believed
from domain.values import is_finite
from framework.egress.calls import Call, OutletError, Said
from services.program import tracing
from services.program.lm.engine import ModelSettings
from services.program.running import ModelAway, ModelRejected
from services.program.scoring.scorer import Answered, Verdict

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet

# A program's own timeout_ms ends its calls; this bounds what that may be.
_LONGEST_SECONDS = 600.0


@dataclass(frozen=True)
class Embedded:
    """Vectors in the order of their texts, and the tokens that they took."""

    vectors: Sequence[Sequence[float]]
    tokens: int = 0
    asked: bool = False
    """Whether a model made them."""


Embed = Callable[[str, Sequence[str]], Awaitable[Embedded]]
"""Makes vectors of texts by a model's name; raises ModelAway or ModelRejected."""


class Embedding:
    """The metric `embedding_similarity`."""

    name = "embedding_similarity"

    def __init__(self, params: Mapping[str, Any], embed: Embed) -> None:
        self._params = params
        self._embed = embed

    async def score(self, answered: Answered) -> Verdict:
        """Returns the mean cosine over the expected fields; a missing one counts 0."""
        seen = answered.within(self._params.get("fields"))
        names = [name for name in seen.expected if name in seen.outputs]
        texts = [text_of(each) for name in names for each in (seen.expected[name], seen.outputs[name])]
        found = await self._embed(self._params.get("model", LOCAL), texts) if texts else Embedded([])
        pairs = zip(found.vectors[::2], found.vectors[1::2], strict=True)
        likeness = [cosine(one, other) for one, other in pairs] + [0.0] * (len(seen.expected) - len(names))
        # What vectors cost nobody has said: their tokens are counted, and no money.
        return Verdict(
            {self.name: mean(likeness) if likeness else 1.0}, input_tokens=found.tokens, cost_incomplete=found.asked
        )


class Embeddings:
    """Vectors by the endpoint of the settings, or by the weak kind."""

    def __init__(self, settings: ModelSettings, http: "Outlet") -> None:
        self._settings = settings
        self._http = http

    async def __call__(self, model: str, texts: Sequence[str]) -> Embedded:
        """Returns the vectors of texts."""
        if model == LOCAL:
            return Embedded([ngrams(text) for text in texts])
        if not self._settings.base_url:
            raise ModelRejected(f"the model {model} needs an endpoint: set ASHGROVE_LM_BASE_URL")
        with tracing.embedding(model, self._settings.base_url, len(texts)) as span:
            data = await self._posted(model, texts)
            span.set("gen_ai.usage.input_tokens", _tokens(data))
        try:
            found = sorted(data["data"], key=lambda each: int(each["index"]))
            vectors = [_vector(each["embedding"]) for each in found]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelRejected(f"{model} answered in a shape that is not OpenAI's") from error
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1:
            raise ModelRejected(f"{model} answered with other vectors than were asked for")
        return Embedded(vectors, _tokens(data), asked=True)

    async def _posted(self, model: str, texts: Sequence[str]) -> Any:
        try:
            said = await self._http.call(self._asked(model, texts))
        except OutletError as error:
            raise ModelAway(f"the endpoint of {model} does not answer") from error
        _refuse(said, model)
        try:
            return json.loads(said.content)
        except (ValueError, RecursionError) as error:
            raise ModelAway(f"the endpoint of {model} answers something that is not JSON") from error

    def _asked(self, model: str, texts: Sequence[str]) -> Call:
        key = self._settings.api_key.get_secret_value() if self._settings.api_key else ""
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        body = json.dumps({"model": model, "input": list(texts)}).encode()
        return Call(f"{self._settings.base_url.rstrip('/')}/embeddings", headers, body, read_seconds=_LONGEST_SECONDS)


def _refuse(said: Said, model: str) -> None:
    if said.status == 429 or said.status >= 500:
        raise ModelAway(f"the endpoint of {model} answers {said.status}")
    if said.status >= 400:
        raise ModelRejected(f"the endpoint of {model} refused the request with {said.status}")


def _vector(said: Any) -> list[float]:
    if not (isinstance(said, list) and all(map(is_finite, said))):
        raise ValueError("a vector is made of finite numbers")
    return said


def _tokens(data: Any) -> int:
    said = data.get("usage") if isinstance(data, Mapping) else None
    took = believed(said.get("prompt_tokens"), 0) if isinstance(said, Mapping) else None
    return took.input_tokens if took else 0


async def weak(model: str, texts: Sequence[str]) -> Embedded:
    """Makes vectors of the weak kind, where there is no other."""
    if model != LOCAL:
        raise ModelRejected(f"the model {model} needs an endpoint: set ASHGROVE_LM_BASE_URL")
    return Embedded([ngrams(text) for text in texts])
