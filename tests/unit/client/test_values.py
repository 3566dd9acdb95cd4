"""Values keep their meaning on the way to protobuf and back."""

import json
import math
from typing import Any

import pytest
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective, OptimizationRun
from ashgrove.optimizer.v1.trial_pb2 import Trial
from ashgrove.program.v1 import schema_requests_pb2
from ashgrove.spaces import Boolean, Choice, Domain, Float, Integer
from ashgrove.values import numbered, to_dict, to_plain, to_struct


def test_whole_numbers_come_back_as_integers() -> None:
    """Struct has doubles only; what is whole was meant as an integer, at any depth."""
    given = {"a": 1, "b": 0.5, "c": [2, {"d": -3}], "e": True, "f": None, "g": "7"}
    back = to_dict(to_struct(given))
    assert back == given
    assert [type(v) for v in (back["a"], back["c"][0], back["c"][1]["d"], back["e"])] == [int, int, int, bool]


def test_a_message_becomes_what_rest_answers() -> None:
    """Whole numbers are integers in JSON, in a Struct as in a field."""
    trial = Trial(number=3, configuration=to_struct({"layers": 4, "rate": 0.5}), objectives={"loss": 2.0})
    assert json.dumps(to_plain(trial)["configuration"], sort_keys=True) == '{"layers": 4, "rate": 0.5}'
    assert json.dumps(to_plain(trial)["objectives"]) == '{"loss": 2}'


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**53 + 1, -(2**60)])
def test_what_json_cannot_carry_is_refused_by_its_path(value: Any) -> None:
    """Nothing is rounded in silence."""
    with pytest.raises(ValueError, match=r"outer\[1\]\.inner"):
        to_struct({"outer": [0, {"inner": value}]})


def test_domains_become_variables_with_their_defaults() -> None:
    """A default that is false, zero or the first choice is still a default."""
    made: dict[str, Domain] = {
        "float": Float(0.1, 1.0, default=0.5, log=True),
        "integer": Integer(0, 64, default=0),
        "choice": Choice(["first", "random"], default="first"),
        "boolean": Boolean(default=False),
    }
    for kind, domain in made.items():
        variable = domain.variable("v")
        assert variable.WhichOneof("domain") == kind
        assert variable.HasField("default")
    assert not Integer(0, 1).variable("v").HasField("default")
    assert made["float"].variable("v").float.log


def test_a_word_that_is_none_is_told_those_there_are() -> None:
    """In either case, and none for no word."""
    assert numbered(OptimizationRun.Strategy, "Bayesian") == OptimizationRun.STRATEGY_BAYESIAN
    assert numbered(schema_requests_pb2.SchemaDialect, "openai") == schema_requests_pb2.SCHEMA_DIALECT_OPENAI
    assert numbered(Objective.Aggregation, "") == Objective.AGGREGATION_UNSPECIFIED
    with pytest.raises(ValueError, match=r"strategy must be one of random, .*bayesian.*, not 'baysian'"):
        numbered(OptimizationRun.Strategy, "baysian")
