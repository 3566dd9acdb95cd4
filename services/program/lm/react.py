"""Runs one program with tools: DSPy's ReAct over our engine, with a loop that ends, and that tells no traceback."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import dspy

from domain.signatures.json_schema import written
from services.program.connectors.answer import sound
from services.program.connectors.faults import ModelFault
from services.program.lm.engine import OutputUnparsable, meter
from services.program.lm.runner import Runner, lm_of
from services.program.lm.signature import chain_of_thought
from services.program.metering.work import current_work
from services.program.story import Turn
from services.program.tools.using import ReadyTool
from services.program.tools.written import FINISH, ITERATIONS


class ToolsWithoutEnd(ModelFault):
    """The model used tools as often as it may, and did not finish."""

    error_class = "TOOL"


class _Loop(dspy.ReAct):  # type: ignore[misc] # DSPy has no types
    """Thoughts and uses of tools, one after the other, then the answer."""

    def __init__(self, signature: Any, tools: Sequence[ReadyTool], iterations: int) -> None:
        super().__init__(signature, tools=[_described(each) for each in tools], max_iters=iterations)
        self._ready = {each.name: each for each in tools}
        # An output `reasoning` stays as it is declared, as in any chain of thought.
        fields = {**signature.input_fields, **signature.output_fields}
        asked = dspy.Signature(fields, signature.instructions).append("trajectory", dspy.InputField(), type_=str)
        self.extract = chain_of_thought(asked)

    async def aforward(self, **given: Any) -> Any:
        steps: dict[str, Any] = {}
        for index in range(self.max_iters):
            turn = await self._turn(steps, given)
            steps[f"thought_{index}"] = turn.thought
            steps[f"tool_name_{index}"] = turn.tool
            steps[f"tool_args_{index}"] = turn.arguments
            if turn.tool == FINISH:
                return await self.extract.acall(**given, trajectory=self._format_trajectory(steps))
            steps[f"observation_{index}"] = turn.observation
        raise ToolsWithoutEnd(_told(steps, self.max_iters))

    async def _turn(self, steps: Mapping[str, Any], given: Mapping[str, Any]) -> Turn:
        """Has the model think and use a tool; the work's story, if it has one, is told of it."""
        began, before = time.perf_counter(), replace(meter.get())
        said = await self.react.acall(**given, trajectory=self._format_trajectory(steps))
        turn = Turn(str(said.next_thought), said.next_tool_name, _sound(said.next_tool_args))
        if turn.tool != FINISH:
            observation, of_use = await self._ready[turn.tool].observed(turn.arguments)
            turn = replace(turn, observation=sound(observation), failed=not of_use)
        if (work := current_work()) and work.story:
            work.story.used(turn, meter.get().since(before), (time.perf_counter() - began) * 1000)
        return turn


class ReactRunner(Runner):
    """One program with tools, ready to run."""

    def __init__(self, *arguments: Any, tools: Sequence[ReadyTool], iterations: int = 0, **more: Any) -> None:
        self._tools, self._iterations = tools, iterations or ITERATIONS
        super().__init__(*arguments, **more)

    def _made(self, signature: Any, reasons: bool) -> None:
        self._loop = _Loop(signature, self._tools, self._iterations)
        # A fallback of the adapter's is a second call that somebody pays.
        self._adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
        self._lm = lm_of(self._parameters, self._engine)

    async def _asked(self, demonstrations: Sequence[int], given: Mapping[str, Any]) -> Any:
        # Neither history nor trace: a process that serves many keeps nothing of what they asked.
        its = {"lm": self._lm, "adapter": self._adapter}
        with dspy.context(**its, disable_history=True, track_usage=False, trace=None):
            return await self._loop.acall(**given)


def _sound(value: Any) -> Any:
    """Returns what a model wrote as JSON as it can be told again: JSON can spell what no text may hold."""
    if isinstance(value, str):
        return sound(value)
    if isinstance(value, list):
        return [_sound(each) for each in value]
    return {sound(str(key)): _sound(each) for key, each in value.items()} if isinstance(value, dict) else value


def _described(tool: ReadyTool) -> Any:
    schema = written(tool.arguments.fields).schema
    return dspy.Tool(_unused, name=tool.name, desc=tool.description, args=dict(schema.get("properties", {})))


def _unused(**_: Any) -> None:
    raise OutputUnparsable("tools are used by the loop")


def _told(steps: Mapping[str, Any], iterations: int) -> str:
    names = [str(steps[f"tool_name_{index}"]) for index in range(iterations)]
    last = str(steps[f"observation_{iterations - 1}"])
    return f"it did not finish within {iterations} uses of tools: {', '.join(names)}; the last gave: {last[:300]}"
