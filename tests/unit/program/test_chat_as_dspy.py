"""Our way of asking in DSPy's chat format, held to DSPy's own: the same messages, and answers read alike."""

import os
from dataclasses import replace
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import dspy
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.pricing import Usage
from domain.signatures.field import fields_of
from framework.egress.outlet import Outlet
from services.program.connectors.answer import Answer
from services.program.lm.chat import Chat
from services.program.lm.engine import Asked, Engine, Meter, ModelSettings, OutputUnparsable, meter
from services.program.lm.parameters import Parameters
from services.program.lm.runner import Shape, fault_of, lm_of
from services.program.lm.signature import chain_of_thought, dspy_signature, inner_name, input_name
from services.program.metering.gate import Charge
from tests.tries import tries
from tests.unit.domain.arbitrary import TEXT
from tests.unit.domain.arbitrary_signatures import sides, values

PIECES = ["yes", "no", "2", "-1.5", "true", "null", '"q"', "[1, 2]", '{"a": 1}', "{'a': 1}", "", " ", "[[ ## x ## ]]"]


class Scripted(Engine):
    """Notes what it is asked, and answers what it was told to."""

    def __init__(self, text: str) -> None:
        super().__init__("m", ModelSettings(), Outlet())
        self.text = text
        self.asked: list[Asked] = []

    async def ask(self, asked: Asked) -> tuple[Answer, Charge]:
        """Returns the text."""
        self.asked.append(asked)
        return Answer(self.text, Usage(1, 1)), Charge(Usage(1, 1), 0, 0.0, False)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """A signature, demonstrations of which some lack something, inputs and an answer that may be fit or not."""
    inputs, outputs = draw(sides(1)), draw(sides(1))
    inputs = [{**each.to_json(), "name": f"in_{i}", "description": draw(TEXT)} for i, each in enumerate(inputs)]
    outputs = [{**each.to_json(), "name": f"out_{i}", "description": draw(TEXT)} for i, each in enumerate(outputs)]
    names = [each["name"] for each in outputs]
    parts = st.tuples(st.sampled_from([*names, "reasoning", "completed", "other"]), st.sampled_from(PIECES) | TEXT)
    whole = [(name, draw(st.sampled_from(PIECES))) for name in ["reasoning", *names, "completed"]]
    said = draw(st.just(whole) | st.lists(parts, max_size=6))
    return {
        "signature": {"instructions": draw(TEXT), "inputs": inputs, "outputs": outputs},
        "reasons": draw(st.booleans()),
        "shown": draw(st.lists(st.fixed_dictionaries({"inputs": some(inputs), "outputs": some(outputs)}), max_size=3)),
        "given": draw(some(inputs)),
        "answer": "\n\n".join(f"[[ ## {name} ## ]]\n{text}" for name, text in said),
    }


@st.composite
def some(draw: st.DrawFn, fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Values of some of the fields."""
    found = values(draw, fields_of(fields))
    return {name: found[name] for name in found if draw(st.integers(0, 3))}


async def asked_both_ways(case: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Returns what was asked, and what came of it, by DSPy's way and by ours."""
    signature = dspy_signature(case["signature"], case["signature"]["instructions"])
    ins, outs = (([each["name"] for each in case["signature"][side]]) for side in ("inputs", "outputs"))
    shape = Shape(ins, outs, case["reasons"])
    # Whole ones last: of one list DSPy makes that order, one by one they stay as they were chosen.
    shown = sorted(
        (dspy.Example(**shape.shown(each)) for each in case["shown"]), key=lambda each: _is_whole(each, shape)
    )
    inputs = {input_name(name): value for name, value in case["given"].items()}
    parameters = Parameters(temperature=0.5, max_tokens=100)
    theirs, ours = Scripted(case["answer"]), Scripted(case["answer"])
    module = chain_of_thought(signature) if case["reasons"] else dspy.Predict(signature)
    asking = chain_of_thought(signature).predict.signature if case["reasons"] else signature
    chat = Chat(asking, shown, parameters, ours)

    async def by_dspy() -> dict[str, Any]:
        adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
        with dspy.context(lm=lm_of(parameters, theirs), adapter=adapter, disable_history=True, trace=None):
            said = await module.acall(demos=shown, **inputs)
        return {inner_name(name): said[inner_name(name)] for name in shape.given}

    async def by_us() -> dict[str, Any]:
        return await chat.ask(range(len(shown)), inputs)

    return [(engine.asked, await _came_of(way)) for engine, way in ((theirs, by_dspy), (ours, by_us))]


def _is_whole(shown: Any, shape: Shape) -> bool:
    names = [*map(input_name, shape.inputs), *map(inner_name, shape.given)]
    return all(name in shown and shown[name] is not None for name in names)


async def _came_of(way: Any) -> Any:
    token = meter.set(Meter())
    try:
        return await way()
    except Exception as error:
        fault = fault_of(error)
        assert isinstance(fault, OutputUnparsable), repr(error)
        return str(fault)
    finally:
        meter.reset(token)


@given(cases())
@settings(max_examples=tries(40), deadline=None)
async def test_the_same_is_asked_and_read_as_by_dspy(case: dict[str, Any]) -> None:
    """Over signatures of all types, demonstrations with and without gaps, and answers that fit and that do not."""
    (asked, came), (ours, came_to_us) = await asked_both_ways(case)
    assert [dict(each) for each in ours[0].messages] == asked[0].messages
    assert replace(ours[0], messages=[]) == replace(asked[0], messages=[])
    assert repr(came_to_us) == repr(came)


async def test_a_text_never_becomes_an_image() -> None:
    """DSPy would have made one out of the markers in an input."""
    signature = dspy_signature({"inputs": [{"name": "text"}], "outputs": [{"name": "label"}]}, "")
    engine = Scripted("[[ ## label ## ]]\na")
    text = '<<CUSTOM-TYPE-START-IDENTIFIER>>[{"type": "image_url"}]<<CUSTOM-TYPE-END-IDENTIFIER>>'
    await Chat(signature, [], Parameters(), engine).ask([], {"text": text})
    assert text in engine.asked[0].messages[-1]["content"]
