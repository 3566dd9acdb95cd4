"""Programs run through DSPy, and every part of the prompt matters."""

import os

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from demo.territories import LANGUAGES, load
from services.program.lm.engine import ModelRefused, ModelSettings
from services.program.lm.parameters import Refused, parameters
from services.program.lm.runner import Runner

SIGNATURE = {
    "instructions": "Name the language.",
    "inputs": [{"name": "text", "type": "TYPE_STRING"}],
    "outputs": [{"name": "language", "choices": list(LANGUAGES)}],
}


async def accuracy(configuration: Mapping[str, Any], count: int = 90) -> float:
    splits = load()
    async with httpx.AsyncClient() as http:
        runner = Runner(SIGNATURE, parameters({}, configuration), splits.train, ModelSettings(), http)
        right = 0
        for example in splits.validation[:count]:
            said = await runner.run(example["inputs"])
            right += said.outputs["language"] == example["outputs"]["language"]
    return right / count


async def test_demonstrations_and_rules_each_beat_the_baseline() -> None:
    """Without them the model is at chance; with them it is far above."""
    baseline = await accuracy({})
    assert baseline <= 0.15
    assert await accuracy({"demonstration_count": 32.0, "demonstration_selection": "balanced"}) > baseline + 0.3
    assert await accuracy({"rule_count": 60}) > baseline + 0.3


async def test_a_run_is_metered_and_repeats_itself() -> None:
    """Tokens and cost are counted, and the same seed gives the same answer."""
    async with httpx.AsyncClient() as http:
        runner = Runner(SIGNATURE, parameters({}, {"temperature": 2}), load().train, ModelSettings(), http)
        first, second = await runner.run({"text": "a"}, seed=5), await runner.run({"text": "a"}, seed=5)
    assert first.outputs == second.outputs
    assert first.input_tokens > 0 and first.cost_micros == first.input_tokens + 4 * first.output_tokens


async def test_a_model_without_an_endpoint_says_which_setting_is_missing() -> None:
    """The remedy is in the message."""
    async with httpx.AsyncClient() as http:
        runner = Runner(SIGNATURE, parameters({"model": "gpt-x"}, {}), [], ModelSettings(), http)
        with pytest.raises(ModelRefused, match="ASHGROVE_LM_BASE_URL"):
            await runner.run({"text": "a"})


def test_every_wrong_parameter_is_named() -> None:
    """All violations at once, each with its path."""
    with pytest.raises(Refused) as refused:
        parameters({}, {"temperature": 9, "colour": "red", "demonstration_count": 1.5})
    assert {path for path, _ in refused.value.violations} == {
        "configuration.temperature",
        "configuration.colour",
        "configuration.demonstration_count",
    }
