"""The command line: help without a gateway, answers as JSON, refusals as one sentence."""

import json
from typing import Any

import grpc
import pytest
from ashgrove import cli
from ashgrove.client import Client
from ashgrove.optimizer.v1 import optimization_run_pb2, pareto_front_pb2
from ashgrove.program.v1 import execution_pb2, metric_pb2, program_pb2
from ashgrove.program.v1.program_requests_pb2 import ListProgramsResponse
from click.testing import CliRunner
from grpc_status import rpc_status

from framework.errors import FieldViolation, InvalidFields
from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]


@pytest.fixture
def gateway(served: Served, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The scripted server, as the environment of a command names it."""
    monkeypatch.setenv("ASHGROVE_ADDRESS", served[1].address)
    monkeypatch.setenv("ASHGROVE_API_KEY", "key-of-the-test")
    return served[0]


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *line: str) -> str:
    """Returns what a command that fails says to people."""
    monkeypatch.setattr("sys.argv", ["ashgrove", *line])
    with pytest.raises(SystemExit) as ended:
        cli.run()
    assert ended.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["programs", "list"],
        ["programs", "execute"],
        ["runs", "watch"],
        ["status"],
        ["metrics"],
        ["runs", "front"],
        ["runs", "resume"],
        ["programs", "custom"],
    ],
)
def test_help_needs_neither_key_nor_gateway(command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Whoever asks for help may have nothing set up yet."""
    monkeypatch.setenv("ASHGROVE_HOME", str(tmp_path))
    answer = CliRunner().invoke(cli.main, [*command, "--help"])
    assert answer.exit_code == 0, answer.output
    assert "Usage:" in answer.output


def test_json_is_one_object_a_line(gateway: Scripted) -> None:
    """What a script reads is the proto's own names."""
    page = ListProgramsResponse(programs=[program_pb2.Program(name="a"), program_pb2.Program(name="b")])
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
    assert said(monkeypatch, capsys, "programs", "get", "p") == "there is no program p\n"


def test_without_a_key_the_remedy_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """The sentence says which variable to set, or how to start a stack."""
    monkeypatch.delenv("ASHGROVE_API_KEY", raising=False)
    monkeypatch.setenv("ASHGROVE_HOME", str(tmp_path))
    assert "ASHGROVE_API_KEY" in said(monkeypatch, capsys, "programs", "list")


def _front() -> pareto_front_pb2.ParetoFront:
    objectives = [optimization_run_pb2.Objective(metric=m) for m in ("exact_match", "kilobytes")]
    points = [
        pareto_front_pb2.ParetoFront.Point(trial_number=n, objectives={"exact_match": a, "kilobytes": k})
        for n, a, k in ((3, 0.5, 5.125), (7, 0.9876543, 80.0))
    ]
    return pareto_front_pb2.ParetoFront(version=2, points=points, objectives=objectives, hypervolume=12.345678)


def test_the_front_is_a_table_best_first_and_json_a_point_a_line(gateway: Scripted) -> None:
    """People see numbers to five digits and the hypervolume; scripts see the points and nothing else."""
    gateway.answer = lambda request, context: _front()
    shown = CliRunner().invoke(cli.main, ["runs", "front", "r"], env={"COLUMNS": "200"}).output
    assert shown.index("exact_match=0.98765") < shown.index("kilobytes=5.125")
    assert "version 2: 2 trials, hypervolume 12.346" in shown
    assert "estimated" not in shown
    lines = CliRunner().invoke(cli.main, ["runs", "front", "r", "--json"]).output.splitlines()
    assert [json.loads(line)["trial_number"] for line in lines] == [7, 3]


def test_an_estimated_hypervolume_is_shown_as_one(gateway: Scripted) -> None:
    """With how far off it may be."""
    gateway.answer = lambda request, context: pareto_front_pb2.ParetoFront(hypervolume=12.5, hypervolume_margin=0.25)
    shown = CliRunner().invoke(cli.main, ["runs", "front", "r"]).output
    assert "hypervolume 12.5 ± 0.25, estimated" in shown


def test_a_run_is_started_with_what_it_is_asked_for(gateway: Scripted) -> None:
    """What is left out is left to the server: repeats that are empty are wanted, none are not."""
    gateway.answer = lambda request, context: optimization_run_pb2.OptimizationRun(id="r")
    said = ["--limits", '{"tokens": 9}', "--strategy", "grid_search", "--options", '{"levels": 3}', "--no-holdout"]
    shown = CliRunner().invoke(cli.main, ["runs", "create", "p", "s", "d", "--repeats", "{}", *said])
    assert json.loads(shown.output) == {"id": "r"}
    asked = gateway.asked[0].optimization_run
    assert (asked.program_id, asked.variable_space_id, asked.dataset_id) == ("p", "s", "d")
    assert asked.HasField("repeats") and (asked.repeats.count, asked.limits.tokens) == (0, 9)
    assert asked.strategy_configuration.grid_search.levels == 3 and asked.holdout == asked.HOLDOUT_OFF
    CliRunner().invoke(cli.main, ["runs", "create", "p", "s", "d"])
    assert not gateway.asked[1].optimization_run.HasField("repeats")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--repeats", '{"cont": 3}', "repeats may have count, candidates"),
        ("--repeats", '{"count": "many"}', "repeats may have count, candidates"),
        ("--limits", '{"token": 3}', "limits may have metric_calls, tokens"),
        ("--options", '{"level": 3}', "the options of bayesian"),
    ],
)
def test_a_setting_that_a_run_does_not_have_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    """Beside those that it has; nothing is asked of the gateway."""
    monkeypatch.setenv("ASHGROVE_API_KEY", "ag_x")
    assert words in said(monkeypatch, capsys, "runs", "create", "p", "s", "d", option, value)


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel"])
def test_a_run_is_moved_and_shown(gateway: Scripted, verb: str) -> None:
    """Each verb answers with the run as it stands."""
    gateway.answer = lambda request, context: optimization_run_pb2.OptimizationRun(id=request.id)
    assert json.loads(CliRunner().invoke(cli.main, ["runs", verb, "r"]).output) == {"id": "r"}
    assert verb.capitalize() in type(gateway.asked[0]).__name__


def test_metrics_and_custom_programs_are_listed_with_what_is_wrong_with_them(gateway: Scripted) -> None:
    """Whoever registers code sees here why it cannot be used."""
    metric = metric_pb2.Metric(name="kilobytes", direction=metric_pb2.Metric.DIRECTION_MINIMIZE, unit="KiB")
    gateway.answer = lambda request, context: metric_pb2.ListMetricsResponse(metrics=[metric])
    shown = CliRunner().invoke(cli.main, ["metrics"], env={"COLUMNS": "200"}).output
    assert "minimize" in shown and "KiB" in shown
    program = metric_pb2.CustomProgram(entry_point="a@1", error="it raises at import")
    gateway.answer = lambda request, context: metric_pb2.ListCustomProgramsResponse(custom_programs=[program])
    lines = CliRunner().invoke(cli.main, ["programs", "custom", "--json"]).output.splitlines()
    assert [json.loads(line) for line in lines] == [{"entry_point": "a@1", "error": "it raises at import"}]


def test_what_is_no_id_is_told_with_where_ids_are_shown(
    gateway: Scripted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Streams and single calls alike; other refusals stay as they are."""

    def refuse(request: Any, context: Any) -> Any:
        status = rpc_status.to_status(InvalidFields(FieldViolation("id", "must be a valid UUID")).status())
        context.abort_with_status(status)

    gateway.answer, gateway.watches = refuse, [[refuse]]
    for verb in ("watch", "get", "cancel"):
        told = said(monkeypatch, capsys, "runs", verb, "nope")
        assert told == "nope is no id: ids are UUIDs, and `ashgrove runs list` shows them\n"
    gateway.answer = lambda request, context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such field: b")
    assert said(monkeypatch, capsys, "runs", "list", "--filter", "b = 1") == "no such field: b\n"


def test_an_unknown_collection_is_refused_before_anything_is_drawn_or_written(
    gateway: Scripted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """With those that there are."""
    for form in ("jsonl", "parquet"):
        told = said(monkeypatch, capsys, "export", "nope", "--out", str(tmp_path / "rows"), "--format", form)
        assert told.startswith("there is nothing to export called nope; there are ") and "programs" in told
        assert "━" not in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir()) and not gateway.asked


def test_a_file_that_cannot_be_read_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    """Whatever is in the way: here a folder where the key should be."""
    monkeypatch.delenv("ASHGROVE_API_KEY", raising=False)
    monkeypatch.setenv("ASHGROVE_API_KEY_FILE", str(tmp_path))
    assert "Is a directory" in said(monkeypatch, capsys, "programs", "list")
