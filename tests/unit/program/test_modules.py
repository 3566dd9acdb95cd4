"""Documents as DSPy's modules: there and back without loss, and out of an exported file in the page's ten lines."""

import inspect
import json
import os
import re
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import dspy
from ashgrove.program.v1 import program_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.egress.outlet import Outlet
from services.program.configurations import settings_of
from services.program.documents.exporting import document
from services.program.lm.engine import ModelSettings
from services.program.lm.modules import document_of, module_of
from services.program.lm.parameters import parameters
from services.program.lm.react import ReactRunner
from services.program.lm.runner import Runner
from services.program.lm.templates import TemplateRunner
from services.program.tools.using import ReadyTool
from tests.models import ModelServer, Say, model_server
from tests.tries import tries
from tests.unit.domain.arbitrary import TEXT
from tests.unit.domain.arbitrary_signatures import sides

PAGE = Path("docs/programs.md").read_text()
NAMES = ["text", "reasoning", "demos", "signature", "instructions", "copy", "answer"]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return a sound document of a kind that DSPy runs."""
    pool = draw(st.permutations(NAMES))
    renamed = iter(pool)
    inputs, outputs = (
        [{**each.to_json(), "name": next(renamed), "description": draw(TEXT)} for each in draw(sides(1))]
        for _ in range(2)
    )
    said = inspect.cleandoc(draw(st.text("ab c\n{}", max_size=12)).strip())
    shown = [{side: {f["name"]: draw(TEXT) for f in fields} for side, fields in _sides(inputs, outputs)}]
    heat = draw(st.none() | st.floats(0, 2))
    return {
        "kind": draw(st.sampled_from(["predict", "chain_of_thought"])),
        "signature": {**({"instructions": said} if said else {}), "inputs": inputs, "outputs": outputs},
        "demonstrations": shown * draw(st.integers(0, 2)),
        "settings": {} if heat is None else {"temperature": heat},
    }


def _sides(inputs: list[Any], outputs: list[Any]) -> list[tuple[str, list[Any]]]:
    return [("inputs", inputs), ("outputs", outputs)]


@given(documents())
@settings(max_examples=tries(20), deadline=None)
def test_a_document_is_the_same_again_after_it_was_a_module(made: dict[str, Any]) -> None:
    """Types, constraints, names that DSPy keeps for itself, demonstrations and settings."""
    assert document_of(module_of(made)) == made


def test_what_an_optimizer_changed_is_in_the_document() -> None:
    """Instructions and demonstrations, with the reasoning that a chain of thought shows."""
    signature = {"inputs": [{"name": "text"}], "outputs": [{"name": "answer"}]}
    module = module_of({"kind": "chain_of_thought", "signature": signature})
    predictor = module.predictors()[0]
    predictor.signature = predictor.signature.with_instructions("Be brief.")
    predictor.demos = [dspy.Example(text="a", reasoning="so", answer="b", augmented=True)]
    told = document_of(module)
    assert told["signature"] == {"instructions": "Be brief.", **signature}
    assert told["demonstrations"] == [{"inputs": {"text": "a"}, "outputs": {"reasoning": "so", "answer": "b"}}]


def lines(title: str) -> str:
    """Returns the page's lines that load a file."""
    (found,) = re.findall(rf"```python title={title}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def program(kind: str, **config: Any) -> program_pb2.Program:
    """A program with a demonstration, a choice and a name that DSPy keeps for itself."""
    made = program_pb2.Program(name="p", revision=3, type=program_pb2.Program.Type.Value(f"TYPE_{kind}"))
    shown = {"inputs": {"text": "a{{x}}", "demos": 2}, "outputs": {"label": "no", "tags": ["u"]}}
    signature = {
        "instructions": "Judge {{it}}.",
        "inputs": [{"name": "text", "description": "What."}, {"name": "demos", "type": "TYPE_INTEGER"}],
        "outputs": [{"name": "label", "choices": ["yes", "no"]}, {"name": "tags", "type": "TYPE_STRING_LIST"}],
    }
    slots = [{"name": "main", "demonstrations": [shown]}]
    ParseDict({"signature_config": signature, "program_config": {"slots": slots, **config}}, made)
    return made


def exported(made: program_pb2.Program, tmp_path: Path) -> str:
    """Writes a program down and returns where."""
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document(made)))
    return str(path)


async def sent(server: ModelServer) -> list[dict[str, Any]]:
    """Returns the messages of the last request, and forgets it."""
    messages: list[dict[str, Any]] = server.requests.pop()["messages"]
    return messages


async def test_ten_lines_make_a_dspy_module_that_asks_as_ashgrove_does(tmp_path: Path) -> None:
    """The very same messages, for both kinds; nothing of ours is imported."""
    for kind in ("PREDICT", "CHAIN_OF_THOUGHT"):
        made = program(kind)
        code = lines("load_module")
        assert "ashgrove" not in code and len([x for x in code.splitlines() if x and "import" not in x]) <= 10, code
        names: dict[str, Any] = {"path": exported(made, tmp_path)}
        exec(code, names)  # noqa: S102 - the page's own lines
        text = "[[ ## reasoning ## ]]\nr\n\n[[ ## label ## ]]\nyes\n\n[[ ## tags ## ]]\n[]\n\n[[ ## completed ## ]]"
        async with model_server() as server, Outlet() as http:
            server.otherwise = Say(text)
            models = ModelSettings(default_model="openai/m", base_url=server.url)
            plain = document_of_signature(made)
            runner = Runner(plain, parameters(settings_of(made), {}), [], models, http, reasons=kind != "PREDICT")
            await runner.run({"text": "b", "demos": 1})
            ours = await sent(server)
            lm = dspy.LM("openai/m", api_base=server.url, api_key="k", cache=False, num_retries=0)
            with dspy.context(lm=lm, disable_history=True):
                said = await names["module"].acall(text="b", DEMOS=1)
            theirs = await sent(server)
        assert said.label == "yes" and said.tags == []
        assert [flat(each) for each in theirs] == [flat(each) for each in ours]


async def test_a_program_with_tools_asks_as_ashgrove_does_once_its_tools_are_given(tmp_path: Path) -> None:
    """The same thoughts over the same tools; what those do is not in the file."""
    made = program("REACT")
    made.program_config.ClearField("slots")
    tool = {"name": "look", "description": "Looks.", "arguments": [{"name": "word", "description": "What."}]}
    ParseDict({"tools": [{**tool, "http": {"url": "https://words.example/v1"}}]}, made.program_config.react)
    names: dict[str, Any] = {"path": exported(made, tmp_path), "functions": {"look": lambda word: f"found {word}"}}
    assert "words.example" not in json.dumps(document(made))
    # The page's lines up to the signature, then its lines for tools.
    exec(lines("load_module").partition("module = ")[0] + lines("load_react"), names)  # noqa: S102
    thoughts = [thought("look", {"word": "hav"}), thought("finish", {})]
    answer = "[[ ## reasoning ## ]]\nr\n\n[[ ## label ## ]]\nyes\n\n[[ ## tags ## ]]\n[]\n\n[[ ## completed ## ]]"
    async with model_server() as server, Outlet() as http:
        models = ModelSettings(default_model="openai/m", base_url=server.url)
        server.script = [Say(each) for each in (*thoughts, answer)]
        ready = [ReadyTool(each, found) for each in made.program_config.react.tools]
        chosen, plain = parameters(settings_of(made), {}), document_of_signature(made)
        runner = ReactRunner(plain, chosen, [], models, http, tools=ready)
        await runner.run({"text": "b", "demos": 1})
        ours = [await sent(server) for _ in range(3)]
        server.script = [Say(each) for each in (*thoughts, answer)]
        lm = dspy.LM("openai/m", api_base=server.url, api_key="k", cache=False, num_retries=0)
        with dspy.context(lm=lm, disable_history=True):
            said = await names["module"].acall(text="b", DEMOS=1)
        theirs = [await sent(server) for _ in range(3)]
    assert said.label == "yes" and "found hav" in str(said.trajectory)
    # DSPy tells itself that it has finished, too; nothing else is different.
    done = "[[ ## observation_1 ## ]]\nCompleted.\n\n"
    said_by_dspy = [[(role, text.replace(done, "")) for role, text in map(flat, each)] for each in theirs]
    assert said_by_dspy == [list(map(flat, each)) for each in ours]


def thought(tool: str, arguments: dict[str, str]) -> str:
    """Returns what a model says that uses a tool."""
    said = {"next_thought": "t", "next_tool_name": tool, "next_tool_args": json.dumps(arguments), "completed": ""}
    return "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in said.items())


async def found(arguments: dict[str, Any]) -> Any:
    """A tool's use."""
    return f"found {arguments['word']}"


async def test_a_few_lines_make_the_chat_of_a_template_that_ashgrove_sends(tmp_path: Path) -> None:
    """Braces in values, instructions and demonstrations stay what they are."""
    messages = [
        {"role": "ROLE_SYSTEM", "content": "Be brief. {{instructions}} \\{{text}}"},
        {"role": "ROLE_USER", "content": "{{text}} {{ demos }}"},
    ]
    made = program("TEMPLATE", template={"messages": messages})
    names: dict[str, Any] = {"path": exported(made, tmp_path)}
    exec(lines("load_chat"), names)  # noqa: S102 - the page's own lines
    async with Outlet() as http:
        chosen = parameters(settings_of(made), {})
        template = {"messages": messages}
        runner = TemplateRunner(document_of_signature(made), template, chosen, [], ModelSettings(), http)
        assert names["chat"](text="{{demos}}", demos=[1]) == runner.messages({"text": "{{demos}}", "demos": [1]})


def document_of_signature(made: program_pb2.Program) -> dict[str, Any]:
    """Returns a program's signature as runners take it."""
    return MessageToDict(made.signature_config, preserving_proto_field_name=True)


def flat(message: dict[str, Any]) -> tuple[str, str]:
    """Returns a message's role and text, however it is wrapped."""
    content = message["content"]
    return message["role"], content if isinstance(content, str) else "".join(part["text"] for part in content)
