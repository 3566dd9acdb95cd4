"""Edits, merges and components in the client: what is sent is what was meant, over the revision it was meant for."""

from typing import Any

import pytest
from ashgrove.components import Components
from ashgrove.spaces import Constraint, Float, Spaces
from ashgrove.variables.v1 import component_pb2
from ashgrove.variables.v1.space_comparison_requests_pb2 import MergeVariableSpacesRequest

from tests.unit.client.test_pools import asked

EDITS: dict[str, Any] = {
    "AddVariable": lambda spaces: spaces.add_variable("s", "heat", Float(0, 1), position=2, over=7),
    "UpdateVariable": lambda spaces: spaces.update_variable("s", "heat", Float(0, 2), over=7),
    "RemoveVariable": lambda spaces: spaces.remove_variable("s", "heat", over=7),
    "ReorderVariables": lambda spaces: spaces.reorder("s", ["b", "a"], over=7),
    "AddConstraint": lambda spaces: spaces.add_constraint("s", Constraint("calm", "heat < 1"), over=7),
    "RemoveConstraint": lambda spaces: spaces.remove_constraint("s", "calm", over=7),
}


@pytest.mark.parametrize("rpc", EDITS)
def test_every_edit_is_asked_of_its_rpc_over_the_revision_that_it_was_meant_for(
    monkeypatch: pytest.MonkeyPatch, rpc: str
) -> None:
    """So that of two editors at once one is told."""
    request = asked(monkeypatch, Spaces, EDITS[rpc])
    assert type(request).__name__ == f"{rpc}Request"
    assert (request.variable_space_id, request.expected_revision) == ("s", 7)


def test_a_merge_says_whose_change_wins_and_what_both_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's, unless it is said."""
    request = asked(monkeypatch, Spaces, lambda spaces: spaces.merge("s", "t"))
    assert (request.from_variable_space_id, request.prefer) == ("t", MergeVariableSpacesRequest.PREFER_UNSPECIFIED)
    base = {"base_variable_space_id": "b", "base_revision": 2}
    request = asked(monkeypatch, Spaces, lambda spaces: spaces.merge("s", "t", prefer="theirs", over=3, **base))
    assert request.prefer == MergeVariableSpacesRequest.PREFER_THEIRS
    assert (request.expected_revision, request.base_variable_space_id, request.base_revision) == (3, "b", 2)
    with pytest.raises(ValueError, match="one of ours, theirs, not 'mine'"):
        asked(monkeypatch, Spaces, lambda spaces: spaces.merge("s", "t", prefer="mine"))


def test_a_component_is_sent_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name of its kind."""
    made = component_pb2.Component(name="react", version="2", interface="reasoning")
    assert asked(monkeypatch, Components, lambda components: components.create(made)).component == made
