"""Makes the scorers of one evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.metrics import METRICS
from domain.values import Json
from framework.patterns import matcher
from services.program.code.session import Session
from services.program.scoring.judge_model import NAME, lm_judge
from services.program.scoring.likeness import Embedding
from services.program.scoring.scorer import Plain, Registered, Scorer, scored_by
from services.program.working import Workshop


async def scorers_of(
    workshop: Workshop,
    evaluation: Mapping[str, Any],
    registered: Sequence[str],
    session: Session | None,
) -> list[Scorer]:
    """Returns what scores an evaluation's examples, registered metrics by their session."""
    told: Mapping[str, Any] = evaluation["metric_params"] or {}
    configuration: Mapping[str, Json] = evaluation["configuration"] or {}
    names = [name for name in evaluation["metrics"] if name in METRICS]
    found: list[Scorer] = [await _built_in(workshop, name, told.get(name, {}), evaluation["seed"]) for name in names]
    for name in registered:
        assert session is not None, "who names registered metrics opens a session"
        found.append(Registered(name, session, {**configuration, **told.get(name, {})}))
    return found


async def _built_in(workshop: Workshop, name: str, params: Mapping[str, Any], seed: int) -> Scorer:
    if name == NAME:
        return await lm_judge(workshop.prepare, params, seed)
    if name == Embedding.name:
        return Embedding(params, workshop.embed)
    function = METRICS[name].score or scored_by(matcher(params["pattern"]))
    return Plain(name, function, params)
