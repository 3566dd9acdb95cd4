"""The command line: help without a gateway, answers as JSON, refusals as one sentence."""

import json
from typing import Any

import grpc
import pytest
from ashgrove import cli
from ashgrove.client import Client
from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1 import program_service_pb2 as pb
from click.testing import CliRunner

from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]


@pytest.fixture
def gateway(served: Served, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The scripted server, as the environment of a command names it."""
    monkeypatch.setenv("ASHGROVE_ADDRESS", served[1].address)
    monkeypatch.setenv("ASHGROVE_API_KEY", "key-of-the-test")
    return served[0]


@pytest.mark.parametrize("command", [[], ["programs", "list"], ["programs", "execute"], ["runs", "watch"], ["status"]])
def test_help_needs_neither_key_nor_gateway(command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Whoever asks for help may have nothing set up yet."""
    monkeypatch.setenv("ASHGROVE_HOME", str(tmp_path))
    answer = CliRunner().invoke(cli.main, [*command, "--help"])
    assert answer.exit_code == 0, answer.output
    assert "Usage:" in answer.output


def test_json_is_one_object_a_line(gateway: Scripted) -> None:
    """What a script reads is the proto's own names."""
    page = pb.ListProgramsResponse(programs=[program_pb2.Program(name="a"), program_pb2.Program(name="b")])
    gateway.answer = lambda request, context: page
    answer = CliRunner().invoke(cli.main, ["programs", "list", "--json"])
    assert [json.loads(line)["name"] for line in answer.output.splitlines()] == ["a", "b"]


def test_execute_sends_inputs_and_configuration(gateway: Scripted) -> None:
    """Both are JSON objects; what is none is refused before anything is sent."""
    gateway.answer = lambda request, context: execution_pb2.Execution(id="e")
    line = ["programs", "execute", "p", '{"text": "Norge"}', "--configuration", '{"rule_count": 3}']
    assert json.loads(CliRunner().invoke(cli.main, line).output)["id"] == "e"
    assert gateway.asked[0].inputs["text"] == "Norge"
    assert gateway.asked[0].configuration["rule_count"] == 3
    assert CliRunner().invoke(cli.main, ["programs", "execute", "p", "[1]"]).exit_code == 2
    assert len(gateway.asked) == 1


def test_a_refusal_is_one_sentence_and_exit_code_1(
    gateway: Scripted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No stack trace reaches a person."""
    gateway.answer = lambda request, context: context.abort(grpc.StatusCode.NOT_FOUND, "there is no program p")
    monkeypatch.setattr("sys.argv", ["ashgrove", "programs", "get", "p"])
    with pytest.raises(SystemExit) as ended:
        cli.run()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "there is no program p\n"


def test_without_a_key_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """The sentence says which variable to set, or how to start a stack."""
    monkeypatch.delenv("ASHGROVE_API_KEY", raising=False)
    monkeypatch.setenv("ASHGROVE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["ashgrove", "programs", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.run()
    assert ended.value.code == 1
    assert "ASHGROVE_API_KEY" in capsys.readouterr().err
