"""Spaces and values between protos and domain."""

import math

import pytest
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.struct_pb2 import Struct

from domain.values import Violation
from framework.errors import InvalidFields
from framework.structs import struct_of, values_of
from services.variables.spaces import size_of, space_of, violation_of


def variables(*made: pb.Variable) -> pb.VariableSpace:
    """A space of these variables."""
    return pb.VariableSpace(variables=made)


def test_zero_bounds_are_bounds() -> None:
    """Proto leaves zeros out; the domain must not take them for missing."""
    space = space_of(
        variables(
            pb.Variable(name="a", float=pb.FloatDomain(low=-1, high=0)),
            pb.Variable(name="b", integer=pb.IntegerDomain(low=0, high=0)),
            pb.Variable(name="c", boolean=pb.BooleanDomain()),
        )
    )
    assert space.names == ("a", "b", "c")
    size = size_of(space)
    assert (size.discrete_cardinality, size.is_infinite) == ("2", True)
    assert (size.discrete_dimensions, size.continuous_dimensions) == (2, 1)
    assert (size.difficulty, round(size.complexity, 3)) == (pb.SpaceSize.DIFFICULTY_EASY, 4.151)


def test_every_fault_is_told_at_its_place_below_the_prefix() -> None:
    """All at once."""
    choice = pb.Variable(name="c")
    for number in (1, 1):
        choice.choice.choices.add(number_value=number)
    made = variables(
        pb.Variable(name="a", float=pb.FloatDomain(low=2, high=1)),
        pb.Variable(name="a", integer=pb.IntegerDomain(low=0, high=5, log=True)),
        choice,
    )
    with pytest.raises(InvalidFields) as refused:
        space_of(made, "variable_space.")
    paths = {v.path for v in refused.value.violations}
    assert {"variable_space.variables[0].float.high", "variable_space.variables[1].name"} <= paths
    assert any(p.startswith("variable_space.variables[1].integer.") for p in paths)
    assert any(p.startswith("variable_space.variables[2].choice.choices") for p in paths)


def test_a_size_beyond_any_integer_is_written_in_decimal() -> None:
    """A thousand choices of a thousand variables."""
    wide = [pb.Variable(name=f"v{n}", integer=pb.IntegerDomain(low=1, high=1000)) for n in range(1000)]
    size = size_of(space_of(variables(*wide)))
    assert size.discrete_cardinality == "1" + "0" * 3000
    assert math.isclose(size.log10_cardinality, 3000)


def test_values_come_back_as_they_were_and_nan_is_kept_for_the_domain_to_name() -> None:
    """Also nested ones and nulls."""
    plain = {"a": 1.5, "b": [True, None, {"c": "d"}], "e": {}}
    assert values_of(struct_of(plain)) == plain
    struct = Struct()
    struct.update({"a": float("nan")})
    assert math.isnan(values_of(struct)["a"])


def test_distributions_weights_and_flags_reach_the_domain() -> None:
    """Nothing of a variable is lost on the way, and what is left out stays absent."""
    choice = pb.Variable(name="c", choice=pb.ChoiceDomain(weights=[1, 3], ordered=True, allow_custom=True))
    for text in ("small", "large"):
        choice.choice.choices.add(string_value=text)
    made = variables(
        pb.Variable(name="a", float=pb.FloatDomain(high=2, normal=pb.NormalDistribution(mean=1, sigma=0.5))),
        pb.Variable(name="b", integer=pb.IntegerDomain(low=1, high=64, power_of_two=True)),
        choice,
        pb.Variable(name="d", float=pb.FloatDomain(high=2)),
    )
    assert [
        next(value for key, value in each.items() if key in "float integer choice") for each in space_of(made).to_json()
    ] == [
        {"low": 0, "high": 2, "log": False, "normal": {"mean": 1, "sigma": 0.5}},
        {"low": 1, "high": 64, "log": False, "step": 1, "power_of_two": True},
        {"choices": ["small", "large"], "weights": [1, 3], "ordered": True, "allow_custom": True},
        {"low": 0, "high": 2, "log": False},
    ]


def test_conditions_and_constraints_reach_the_domain() -> None:
    """Every fault has its path, and the size says what conditions and constraints make of the space."""
    made = variables(
        pb.Variable(name="a", integer=pb.IntegerDomain(low=0, high=4)),
        pb.Variable(name="b", boolean=pb.BooleanDomain(), when="a > 2"),
        pb.Variable(name="c", float=pb.FloatDomain(high=1)),
    )
    made.constraints.add(id="half", expression="c < 0.5")
    size = size_of(space_of(made))
    assert (size.discrete_cardinality, size.conditional_dimensions, size.is_estimated) == ("7", 1, False)
    assert math.isclose(size.feasible_share, 0.5, abs_tol=0.2)
    assert not size_of(space_of(variables(*made.variables))).HasField("feasible_share")
    made.constraints.add(id="half", expression="d")
    made.variables[1].when = "a"
    with pytest.raises(InvalidFields) as refused:
        space_of(made, "variable_space.")
    paths = {v.path.removeprefix("variable_space.") for v in refused.value.violations}
    assert paths == {"variables[1].when", "constraints[1].id", "constraints[1].expression"}


def test_a_violation_of_a_constraint_keeps_its_particulars() -> None:
    """Which constraint, which variables, what helps."""
    told = violation_of(Violation("values", "too wild", "CONSTRAINT", "calm", ("a", "b"), "lower a"))
    assert (told.constraint_id, list(told.variables), told.suggested_fix) == ("calm", ["a", "b"], "lower a")


def test_structured_domains_reach_the_domain_and_come_back() -> None:
    """Every kind, at any depth."""
    number = pb.FloatDomain(low=0, high=1)
    hybrid = pb.Variable(name="h")
    hybrid.hybrid.branches.add(float=number).choice.string_value = "adam"
    hybrid.hybrid.branches.add(integer=pb.IntegerDomain(low=0, high=3)).choice.bool_value = True
    group = pb.Variable(name="g")
    group.group.variables.add(name="on", boolean=pb.BooleanDomain()).default.bool_value = False
    group.group.variables.add(name="x", float=number, when="on")
    conditional = pb.Variable(name="c", when="has(h)")
    conditional.conditional.condition = "h.choice == 'adam'"
    conditional.conditional.then.float.CopyFrom(number)
    conditional.conditional.otherwise.integer.CopyFrom(pb.IntegerDomain(low=1, high=2))
    conditional.conditional.otherwise.default.number_value = 2
    module = pb.Variable(name="m", module=pb.ModuleDomain(interface="reasoning", capabilities=["text"]))
    module.module.components.add(id="react@2", capabilities=["text", "tools"])
    computed = pb.Variable(name="s", computed=pb.ComputedDomain(expression="h.number * 2"))
    space = space_of(variables(hybrid, group, conditional, module, computed))
    values = {"h": {"choice": True, "number": 3}, "m": "react@2"}
    assert space.validate(values) == {**values, "g": {"on": False}, "c": 2, "s": 6}
    group.group.variables[1].when = "h"
    conditional.conditional.then.float.high = -1
    hybrid.hybrid.branches[1].choice.string_value = "adam"
    computed.computed.expression = "s"
    module.module.components[0].capabilities[0] = "audio"
    with pytest.raises(InvalidFields) as refused:
        space_of(variables(hybrid, group, conditional, module, computed))
    assert {v.path for v in refused.value.violations} == {
        "variables[0].hybrid.branches[1].choice",
        "variables[1].group.variables[1].when",
        "variables[2].conditional.then.float.high",
        "variables[3].module.components[0].capabilities",
        "variables[4].computed.expression",
    }
