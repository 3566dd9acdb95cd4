"""A chain of thought reasons before it answers: through DSPy, over the same engine, prompts and meters as predict."""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import dspy
import pytest

from framework.egress.outlet import Outlet
from services.program.lm.engine import ModelRefused, ModelSettings, ModelUnavailable, OutputUnparsable
from services.program.lm.parameters import parameters
from services.program.lm.runner import Prediction, Runner
from tests.models import Reply, Say, model_server

GOLDEN = Path(__file__).parent / "golden" / "chain_of_thought.txt"
SIGNATURE: dict[str, Any] = {
    "instructions": "Name the language.",
    "inputs": [{"name": "text", "description": "two names"}],
    "outputs": [{"name": "language", "choices": ["fr", "sv"]}],
}
TRAIN = [
    {"inputs": {"text": "Danmark och Island"}, "outputs": {"language": "sv", "reasoning": "och is Swedish for and"}},
    {"inputs": {"text": "France et Italie"}, "outputs": {"language": "fr"}},
]
MODELS = ModelSettings(input_micros=1_000_000, output_micros=4_000_000)
REASONED = "[[ ## reasoning ## ]]\nit says och\n\n[[ ## language ## ]]\nsv\n\n[[ ## completed ## ]]"
SILENT = "[[ ## language ## ]]\nsv\n\n[[ ## completed ## ]]"


class Endpoint:
    """An OpenAI-compatible endpoint that answers what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: str | int) -> None:
        self.answers = list(answers)
        self.asked: list[list[dict[str, str]]] = []

    async def run(
        self,
        configuration: dict[str, Any],
        train: list[Any],
        signature: dict[str, Any] = SIGNATURE,
        *,
        reasons: bool = True,
    ) -> Prediction:
        """Runs a program against this endpoint once."""
        steps = [Reply(answer) if isinstance(answer, int) else Say(answer) for answer in self.answers]
        async with model_server(*steps) as server, Outlet() as http:
            chosen = parameters({"model": "m"}, configuration)
            models = MODELS.model_copy(update={"base_url": server.url})
            runner = Runner(signature, chosen, train, models, http, reasons=reasons)
            try:
                return await runner.run({signature["inputs"][0]["name"]: "Norge och Sverige"})
            finally:
                self.asked = [request["messages"] for request in server.requests]


async def local(train: list[Any], configuration: dict[str, Any], signature: dict[str, Any] = SIGNATURE) -> Prediction:
    """Runs a chain of thought on the embedded model."""
    async with Outlet() as http:
        runner = Runner(signature, parameters({}, configuration), train, ModelSettings(), http, reasons=True)
        return await runner.run({signature["inputs"][0]["name"]: "Norge och Sverige"})


async def test_the_prompt_is_dspys_and_says_nothing_false() -> None:
    """The dataset's reasoning is shown where there is some; where there is none the prompt says that it is missing."""
    endpoint = Endpoint(REASONED)
    await endpoint.run({"demonstration_count": 2}, TRAIN)
    (asked,) = endpoint.asked
    assert GOLDEN.read_text() == "".join(f"=== {turn['role']}\n{turn['content']}\n" for turn in asked)


async def test_reasoning_is_an_output_beside_the_declared_ones() -> None:
    """It comes first, in name and in value, and only a chain of thought has it; tokens are counted alike."""
    reasoned = await Endpoint(REASONED).run({}, [])
    assert list(reasoned.outputs.items()) == [("reasoning", "it says och"), ("language", "sv")]
    assert (reasoned.input_tokens, reasoned.output_tokens, reasoned.cost_micros) == (11, 7, 11 + 4 * 7)
    plain = await Endpoint(SILENT).run({}, TRAIN, reasons=False)
    assert plain.outputs == {"language": "sv"}


async def test_an_answer_without_reasoning_is_no_answer() -> None:
    """It does not have the shape that was asked for; away and refused are told apart as for predict."""
    for answer, fault in ((SILENT, OutputUnparsable), (503, ModelUnavailable), (401, ModelRefused)):
        endpoint = Endpoint(answer)
        with pytest.raises(fault) as raised:
            await endpoint.run({"model_attempts": 1}, [])
        assert len(endpoint.asked) == 1, "nobody pays for a second call"
        charged = raised.value.charged
        assert charged and charged.output_tokens == (7 if fault is OutputUnparsable else 0), "the first is paid for"


async def test_blank_reasoning_is_none() -> None:
    """An empty text in the dataset is not shown as if somebody had thought it."""
    endpoint = Endpoint(REASONED)
    blank = [{"inputs": TRAIN[0]["inputs"], "outputs": {"language": "sv", "reasoning": " \n"}}]
    await endpoint.run({"demonstration_count": 1}, blank)
    assert "[[ ## reasoning ## ]]\nNot supplied for this particular example." in endpoint.asked[0][2]["content"]


async def test_reasoning_is_nobodys_label() -> None:
    """Balance and mined rules go by what is answered, whatever was thought on the way; so do extra fields."""
    texts = [
        ("Danmark och Island", "sv"),
        ("Norge och Finland", "sv"),
        ("Oman och Peru", "sv"),
        ("Chili et Togo", "fr"),
        ("Cuba et Iran", "fr"),
    ]
    plain = [{"inputs": {"text": text}, "outputs": {"language": language}} for text, language in texts]
    rich = [
        {"inputs": {**e["inputs"], "page": str(i)}, "outputs": {**e["outputs"], "reasoning": f"no {i}", "more": str(i)}}
        for i, e in enumerate(plain)
    ]
    chosen = {"demonstration_count": 2, "demonstration_selection": "balanced", "rule_count": 4}
    prompts = []
    for train in (plain, rich):
        endpoint = Endpoint(REASONED)
        await endpoint.run(chosen, train)
        prompts.append([turn["content"] for turn in endpoint.asked[0]])
    assert prompts[0][0] == prompts[1][0], "the same rules"
    shown = [content.rpartition("[[ ## text ## ]]")[2] for content in prompts[0]]
    assert shown[1::2] == [content.rpartition("[[ ## text ## ]]")[2] for content in prompts[1]][1::2]
    assert "answer fr." in prompts[0][0]
    assert {" et " in content for content in shown[1:5:2]} == {True, False}, "one of each label"


async def test_a_program_that_declares_reasoning_has_it_once() -> None:
    """A declared output keeps its description and comes first; a declared input of that name is another field."""
    declared = {"name": "reasoning", "description": "in one word"}
    endpoint = Endpoint(REASONED)
    said = await endpoint.run(
        {"demonstration_count": 2}, TRAIN, {**SIGNATURE, "outputs": [*SIGNATURE["outputs"], declared]}
    )
    assert said.outputs == {"reasoning": "it says och", "language": "sv"}
    assert "1. `reasoning` (str): in one word\n2. `language`" in endpoint.asked[0][0]["content"]
    train = [{"inputs": {"reasoning": "Danmark och Island"}, "outputs": {"language": "sv"}}]
    taken = {"inputs": [{"name": "reasoning"}], "outputs": SIGNATURE["outputs"]}
    said = await local(train, {"demonstration_count": 1}, taken)
    assert said.outputs == {"reasoning": "closest: Danmark och Island", "language": "sv"}


async def test_the_embedded_model_reasons_truly() -> None:
    """It names the demonstrations that were nearest and the cues that it found, and counts the tokens of that too."""
    said = await local(TRAIN, {"demonstration_count": 2, "rule_count": 2})
    closest, _, cues = said.outputs["reasoning"].partition("; ")
    assert closest == "closest: Danmark och Island | France et Italie"
    assert said.outputs["language"] == "sv"
    assert cues == ""
    assert said.output_tokens > 0 and said.cost_micros == said.input_tokens + 4 * said.output_tokens


async def test_a_process_keeps_nothing_of_what_it_was_asked() -> None:
    """DSPy's trace is switched off: it would hold ten thousand callers' inputs."""
    before = len(dspy.settings.trace)
    await local(TRAIN, {})
    assert len(dspy.settings.trace) == before
