"""Where a trial comes from: the nearest of the front, found without writing every difference down."""

from typing import Any

from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from hypothesis import given
from hypothesis import strategies as st

from domain.comparing import compared
from services.optimizer.telling import descend

NAMES = st.sampled_from(["x", "depth", "model", "sampler"])
VALUES = st.one_of(st.booleans(), st.integers(0, 2), st.sampled_from([1.0, 0.5, "a", "1", None]))
NESTED = st.one_of(VALUES, st.dictionaries(NAMES, VALUES, max_size=2), st.lists(VALUES, max_size=2))
CONFIGURATIONS = st.dictionaries(NAMES, NESTED, max_size=4)


@given(CONFIGURATIONS, st.dictionaries(st.integers(1, 40), CONFIGURATIONS, min_size=1, max_size=8))
def test_the_parent_differs_in_the_fewest_values_and_is_the_oldest_of_equals(
    values: dict[str, Any], members: dict[int, dict[str, Any]]
) -> None:
    """As by every difference of every member; the event names the parent's."""
    differing = {n: [r for r in compared([each, values]) if not r.is_equal] for n, each in members.items()}
    event = RunEvent()
    descend(event, values, members, 0)
    expected = min(differing, key=lambda number: (len(differing[number]), number))
    assert event.parent_trial_number == expected
    assert [each.path for each in event.changes] == [row.path for row in differing[expected]]
