"""Programs run through DSPy, and every part of the prompt matters."""

import os
import sys

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from demo.territories import LANGUAGES, load
from framework.egress.outlet import Outlet
from framework.errors import DependencyUnavailable
from framework.identifiers import new_id
from services.program.lm.engine import Meter, ModelRefused, ModelSettings, ModelUnavailable, OutputUnparsable
from services.program.lm.parameters import Refused, parameters
from services.program.lm.runner import Runner, faults_charged
from services.program.metering.work import Budget, Work, inside
from tests.models import Reply, Say, model_server

SIGNATURE = {
    "instructions": "Name the language.",
    "inputs": [{"name": "text", "type": "TYPE_STRING"}],
    "outputs": [{"name": "language", "choices": list(LANGUAGES)}],
}


async def accuracy(configuration: Mapping[str, Any], count: int = 90) -> float:
    splits = load()
    async with Outlet() as http:
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


async def test_nearest_demonstrations_with_rules_beat_balanced_ones_alone() -> None:
    """How demonstrations are chosen matters, and rules add to them."""
    balanced = await accuracy({"demonstration_count": 32, "demonstration_selection": "balanced"})
    both = {"demonstration_count": 16, "demonstration_selection": "nearest", "demonstration_order": "reversed"}
    assert await accuracy({**both, "rule_count": 60}) > balanced


async def test_demonstrations_that_are_given_are_shown_in_the_place_of_training_examples() -> None:
    """All of them and no others, however others would be chosen; rules are mined from the training examples still."""
    train = load().train
    given = [{"inputs": dict(each["inputs"]), "outputs": dict(each["outputs"]), "example_id": "x"} for each in train]
    few = {"demonstrations": given[:48], "demonstration_selection": "nearest", "demonstration_count": 0}
    assert await accuracy(few) == await accuracy({"demonstration_count": 48})
    assert await accuracy({"demonstrations": [], "demonstration_count": 48}) == await accuracy({})
    assert await accuracy({"demonstrations": [], "rule_count": 60}) == await accuracy({"rule_count": 60})
    for wrong in ([{"inputs": {}}], [3], "x", given[:1] * 257):
        with pytest.raises(Refused, match=r"configuration\.demonstrations"):
            parameters({}, {"demonstrations": wrong})


async def test_a_run_is_metered_and_repeats_itself() -> None:
    """Tokens and cost are counted, and the same seed gives the same answer."""
    async with Outlet() as http:
        runner = Runner(SIGNATURE, parameters({}, {"temperature": 2}), load().train, ModelSettings(), http)
        first, second = await runner.run({"text": "a"}, seed=5), await runner.run({"text": "a"}, seed=5)
    assert first.outputs == second.outputs
    assert first.input_tokens > 0 and first.cost_micros == first.input_tokens + 4 * first.output_tokens


TAKEN_BY_DSPY = ("signature", "demos", "config", "lm", "items", "get", "labels", "fields", "instructions", "completed")


@pytest.mark.parametrize("name", TAKEN_BY_DSPY)
async def test_a_field_may_have_a_name_that_dspy_uses_itself(name: str) -> None:
    """Inputs never become arguments of Predict, nor outputs its methods; no input is parsed as a signature."""
    taken = {"inputs": [{"name": name}], "outputs": [{"name": "label", "choices": ["a", "b"]}]}
    given = {"inputs": [{"name": "text"}], "outputs": [{"name": name, "choices": ["a", "b"]}]}
    text = "q: antigravity.foo -> label"
    async with Outlet() as http:
        shown = parameters({}, {"demonstration_count": 1})
        train = [{"inputs": {name: text}, "outputs": {"label": "b"}}]
        assert (await Runner(taken, shown, train, ModelSettings(), http).run({name: text})).outputs == {"label": "b"}
        train = [{"inputs": {"text": text}, "outputs": {name: "b"}}]
        assert (await Runner(given, shown, train, ModelSettings(), http).run({"text": text})).outputs == {name: "b"}
    assert "antigravity" not in sys.modules


async def test_an_endpoint_is_asked_as_openai_would_be_and_its_faults_are_told_apart() -> None:
    """What is away may be tried again, what is refused may not, and what is no answer in shape says so."""
    steps = [
        Say("[[ ## language ## ]]\nsv\n\n[[ ## completed ## ]]"),
        Say("no markers"),
        Reply(503),
        Reply(429),
        Reply(body="<html>a proxy's page</html>"),
        Reply(401),
        Reply(body='{"error": "?"}'),
    ]
    async with model_server(*steps) as server, Outlet() as http:
        models = ModelSettings(base_url=f"{server.url}/", api_key=SecretStr("k"))
        chosen = parameters({"model": "m"}, {"temperature": 0.5, "max_tokens": 9, "model_attempts": 1})
        runner = Runner(SIGNATURE, chosen, [], models, http)
        said = await runner.run({"text": "a"}, seed=7)
        for fault in (
            OutputUnparsable,
            ModelUnavailable,
            ModelUnavailable,
            ModelUnavailable,
            ModelRefused,
            ModelRefused,
        ):
            with pytest.raises(fault):
                await runner.run({"text": "a"})
    assert said.outputs == {"language": "sv"} and (said.input_tokens, said.output_tokens) == (11, 7)
    asked = server.requests[0]
    assert (asked["_path"], asked["_headers"]["authorization"]) == ("/v1/chat/completions", "Bearer k")
    assert [asked[k] for k in ("model", "temperature", "max_tokens", "seed")] == ["m", 0.5, 9, 7]


async def test_a_model_without_an_endpoint_says_which_setting_is_missing() -> None:
    """The remedy is in the message."""
    async with Outlet() as http:
        runner = Runner(SIGNATURE, parameters({"model": "gpt-x"}, {}), [], ModelSettings(), http)
        with pytest.raises(ModelRefused, match="ASHGROVE_LM_BASE_URL"):
            await runner.run({"text": "a"})


async def test_what_a_run_counts_must_have_a_price() -> None:
    """Else its limit of cost would never be reached; the endpoint of the settings is asked where its price is set."""
    work = Work(new_id(), budget=Budget(counted=True))
    async with model_server(otherwise=Say("[[ ## language ## ]]\nda")) as server, Outlet() as http:
        free = ModelSettings(default_model="m", base_url=server.url)
        with inside(work), pytest.raises(ModelRefused, match="price of m is unknown"):
            await Runner(SIGNATURE, parameters({}, {}), [], free, http).run({"text": "a"})
        assert not server.requests
        priced = free.model_copy(update={"input_micros": 1, "output_micros": 1})
        with inside(work):
            await Runner(SIGNATURE, parameters({}, {}), [], priced, http).run({"text": "a"})
        assert len(server.requests) == 1


def test_a_fault_that_several_wait_for_comes_to_each_of_them_as_it_is() -> None:
    """Raised from itself it would be its own cause, and whoever looked for the first one would look forever."""
    fault = DependencyUnavailable("the database is away")
    for _ in range(2):
        with pytest.raises(DependencyUnavailable) as told, faults_charged(Meter()):
            raise fault
        assert told.value is fault
        assert fault.__cause__ is None


def test_every_wrong_parameter_is_named() -> None:
    """All violations at once, each with its path."""
    with pytest.raises(Refused) as refused:
        shown = [{"inputs": 3, "outputs": {}}]
        parameters({}, {"temperature": 9, "colour": "red", "demonstration_count": 1.5, "demonstrations": shown})
    told = dict(refused.value.violations)
    assert told.pop("configuration.colour").startswith("is no parameter of a program; there are demonstration_count")
    assert told == {
        "configuration.temperature": "must be at most 2",
        "configuration.demonstration_count": "must be a whole number",
        "configuration.demonstrations[0].inputs": "must be an object",
    }
