"""Spaces in the client: every kind of variable, and what is asked and told about spaces."""

from pathlib import Path
from typing import Any

import pytest
from ashgrove.errors import AshgroveError
from ashgrove.spaces import (
    Boolean,
    Choice,
    Computed,
    Conditional,
    Constraint,
    DemoSet,
    Domain,
    Float,
    Group,
    Hybrid,
    Instruction,
    Integer,
    Module,
)
from ashgrove.spaces import _wanted as wanted
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.json_format import MessageToDict

from services.variables.spaces import space_of

DATASET = "0198c5f0-0000-7000-8000-000000000001"
EVERY: dict[str, Domain] = {
    "heat": Float(0, 2, default=0.7, normal=(1, 0.5), description="how hot"),
    "rate": Float(1e-4, 1, log=True),
    "share": Float(0, 1, step=0.1),
    "shots": Integer(0, 16, step=4, default=0),
    "batch": Integer(1, 64, power_of_two=True),
    "size": Choice(["s", "m"], weights=[1, 2], ordered=True, allow_custom=True, default="s"),
    "rules": Boolean(default=False),
    "way": Module("reasoning", ["predict", "react@2"], default="predict"),
    "tool": Hybrid({"near": Integer(1, 9), "far": Float(0, 1)}),
    "inner": Group({"depth": Integer(1, 3, default=1), "on": Boolean(when="depth > 1", default=True)}),
    "either": Conditional("rules", Integer(1, 2, default=1), Boolean(default=True)),
    "twice": Computed("shots * 2", when="shots > 0"),
    "prompt": Instruction(token_limit=100, placeholders=["text"], segments=["Answer {text}."]),
    "shown": DemoSet(DATASET, 3, max_demonstrations=4),
}


def test_every_kind_of_variable_is_what_the_service_reads() -> None:
    """The domain finds the space sound; nothing is lost on the way."""
    constraint = Constraint("calm", "heat < 1.5", "too hot", "lower heat")
    message = pb.VariableSpace(variables=[domain.variable(name) for name, domain in EVERY.items()])
    message.constraints.append(constraint.constraint())
    space = space_of(message)
    assert space.names == tuple(EVERY)
    values = space.validate({"tool": {"choice": "far", "number": 0.5}, "rate": 0.1, "share": 0.5, "batch": 8})
    assert values["inner"] == {"depth": 1} and values["either"] is True and values["prompt"] == "unchanged"
    plain = [MessageToDict(each, preserving_proto_field_name=True) for each in message.variables]
    assert plain[0] == {
        "name": "heat",
        "description": "how hot",
        "float": {"high": 2.0, "normal": {"mean": 1.0, "sigma": 0.5}},
        "default": 0.7,
    }
    assert plain[11]["when"] == "shots > 0"


def test_what_is_wanted_of_a_draw_is_said_by_names() -> None:
    """Strategies as people write them, configurations to start from as dicts."""
    asked = wanted("id", 5, 1, "latin_hypercube", {"total": 50, "maximin": True, "around": [{"a": 1}]})
    assert (asked["strategy"], asked["total"], asked["around"][0]["a"]) == (3, 50, 1)
    with pytest.raises(ValueError, match="not 'guess'"):
        wanted("id", 5, 1, "guess", {})


def test_the_commands_about_spaces_are_there() -> None:
    """With what they need."""
    from ashgrove.cli import main
    from click.testing import CliRunner

    runner = CliRunner()
    for command in ("spaces generate", "spaces export", "spaces import", "spaces extract", "presets add-defaults"):
        assert runner.invoke(main, [*command.split(), "--help"]).exit_code == 0
    refused = runner.invoke(main, ["spaces", "generate", "id", "--around", "[1]"])
    assert refused.exit_code == 2 and "not a JSON object" in refused.output
    refused = runner.invoke(main, ["spaces", "export", "id", "excel"])
    assert refused.exit_code == 2 and "configspace" in refused.output
    assert runner.invoke(main, ["spaces", "import", "ax", str(Path("/nowhere")), "--name", "x"]).exit_code == 2


def test_a_stream_yields_values_and_raises_what_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life are passed over."""
    from ashgrove.spaces import Spaces
    from ashgrove.variables.v1.configuration_stream_requests_pb2 import StreamConfigurationsResponse as Frame

    one, sign, last = Frame(), Frame(), Frame()
    one.item.values.update({"n": 3})
    sign.heartbeat.SetInParent()
    last.end.status.code, last.end.status.message = 8, "hard to find"
    frames: Any = iter([one, sign, last])
    spaces: Spaces = object.__new__(Spaces)
    monkeypatch.setattr(spaces, "_stream", lambda rpc, **fields: frames, raising=False)
    found = spaces.stream("id", 2)
    assert next(found) == {"n": 3}
    with pytest.raises(AshgroveError, match="hard to find"):
        next(found)
