"""State machines as data: what is legal where, where it leads, and which machines cannot be meant."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.resource import Registry
from framework.resource.states import GONE, StateMachine, archiving, faults
from framework.testing.specimen import Piece, Specimen, registry

VALUES = ["STATE_UNSPECIFIED", "STATE_NEW", "STATE_BUSY", "STATE_DONE"]
LIFE = StateMachine(
    "state",
    {
        "NEW": {"Stop": "DONE", "Resume": "NEW", "Change": "NEW"},
        "BUSY": {"Stop": ("DONE", "NEW"), "Resume": "BUSY"},
        "DONE": {"Stop": "DONE"},
    },
    internal={"NEW": {"begin": "BUSY"}, "BUSY": {"resume": "NEW"}},
    terminal=("DONE",),
).within(VALUES)
VERBS = ["Stop", "Resume", "Change"]


def test_a_verb_is_legal_where_it_is_named() -> None:
    """One that is named nowhere depends on no state; internal moves are no verbs."""
    assert LIFE.sources("Change") == ["STATE_NEW"] and LIFE.sources("begin") == ["STATE_NEW"]
    assert LIFE.names("begin") and not LIFE.names("Get")
    assert LIFE.legal("STATE_DONE") == ["Stop"] and LIFE.verbs == VERBS
    assert LIFE.targets("STATE_BUSY", "Stop") == ["STATE_DONE", "STATE_NEW"]
    assert LIFE.targets("STATE_NEW", "begin") == ["STATE_BUSY"] and LIFE.targets("STATE_DONE", "begin") == []


def test_a_verb_that_moves_elsewhere_and_stays_here_has_arrived() -> None:
    """It has nothing to do; one that never moves always has."""
    assert LIFE.arrived("STATE_DONE", "Stop") and not LIFE.arrived("STATE_NEW", "Stop")
    assert not LIFE.arrived("STATE_NEW", "Change")
    assert LIFE.changing("STATE_NEW") == ["Stop", "Resume", "Change"] and LIFE.changing("STATE_DONE") == []


def test_a_sound_machine_has_no_faults() -> None:
    """Those that only archive neither."""
    assert list(faults(LIFE, VALUES, VERBS, "STATE_NEW")) == []
    values = ["STATUS_UNSPECIFIED", "STATUS_ACTIVE", "STATUS_ARCHIVED"]
    machine, verbs = archiving("Update").within(values), ["Archive", "Unarchive", "Purge", "Update"]
    assert list(faults(machine, values, verbs, "STATUS_ACTIVE")) == []


@pytest.mark.parametrize(
    ("moves", "terminal", "fault"),
    [
        ({"NEW": {"Stop": "LOST"}, "DONE": {}}, ("DONE",), "the state LOST is no value of state"),
        ({"NEW": {"Halt": "DONE"}, "DONE": {}}, ("DONE",), "the verb Halt is none that an RPC has"),
        ({"NEW": {"Stop": "DONE"}, "BUSY": {"Stop": "DONE"}}, ("DONE",), "nothing leads from NEW to the state BUSY"),
        ({"NEW": {"Stop": "DONE"}, "DONE": {"Stop": "DONE"}}, (), "nothing leads out of the state DONE"),
        ({"NEW": {"Stop": "DONE"}, "DONE": {"Resume": "NEW"}}, ("DONE",), "is declared terminal and can be left"),
    ],
)
def test_a_machine_that_cannot_be_meant_is_complained_of(
    moves: dict[str, dict[str, str]], terminal: tuple[str, ...], fault: str
) -> None:
    """Unknown states and verbs, states that nothing leads to, and states that nothing leads out of."""
    found = list(faults(StateMachine("state", moves, terminal=terminal).within(VALUES), VALUES, VERBS, "STATE_NEW"))
    assert any(fault in one for one in found), found


states = st.sampled_from(["NEW", "BUSY", "DONE"])
machines = st.dictionaries(states, st.dictionaries(st.sampled_from(VERBS), states | st.just(GONE)))


@given(machines)
def test_sources_and_targets_tell_the_same_moves(moves: dict[str, dict[str, str]]) -> None:
    """A verb leads somewhere from exactly those states in which it is legal."""
    machine = StateMachine("state", moves).within(VALUES)
    for value, verb in product(VALUES[1:], VERBS):
        assert bool(machine.targets(value, verb)) == (value in machine.sources(verb)) == (verb in machine.legal(value))


class Wrong(Specimen):
    """The specimen with a life that cannot be meant."""

    states = StateMachine("color", {"RED": {"Paint": "BLUE"}, "GREEN": {"Update": "GREEN"}})


class Astray(Specimen):
    """The specimen with a life in a field that holds no state."""

    states = StateMachine("name", {"a": {"Update": "b"}})


def test_a_service_refuses_to_start_with_a_machine_that_cannot_be_meant() -> None:
    """Every complaint at once, each naming the resource and the field."""
    for resource, complaints in (
        (Wrong, ["Specimen.color: a state must be an enum, and OUTPUT_ONLY"]),
        (Astray, ["Specimen.name: a state must be an enum, and OUTPUT_ONLY"]),
    ):
        with pytest.raises(TypeError) as refused:
            Registry("specimen", [resource, Piece], *registry().served)
        for complaint in complaints:
            assert complaint in str(refused.value)
