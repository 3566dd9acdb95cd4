"""Which noisy trials look best, and what fresh evaluations come to."""

from hypothesis import given
from hypothesis import strategies as st

from domain.objectives import Objective, standing
from domain.repeating import Candidate, Tried, best_looking, deviations, means, ranked

ACCURACY, COST = Objective("accuracy"), Objective("cost", "minimize", threshold=2.0)
numbers = st.floats(-1e6, 1e6)
trials = st.lists(st.tuples(st.sampled_from("abcdef"), numbers, numbers), max_size=20)


def test_a_configuration_looks_as_good_as_its_trials_on_the_average() -> None:
    """Each once, by its first trial; what breaks a threshold comes behind, whatever it reached."""
    seen = [(1, "a", 0.9, 1.0), (2, "b", 0.8, 1.0), (3, "a", 0.5, 1.0), (4, "c", 1.0, 9.0), (5, "d", 0.7, 1.0)]
    tried = [Tried(n, h, {"accuracy": a, "cost": c}) for n, h, a, c in seen]
    found = best_looking(reversed(tried), [ACCURACY, COST], 3)
    assert [each.number for each in found] == [2, 1, 5]
    assert found[1].objectives == {"accuracy": 0.7, "cost": 1.0}
    assert [each.number for each in best_looking(tried, [ACCURACY, COST], 9)] == [2, 1, 5, 4]


@given(trials, st.integers(1, 8))
def test_none_that_is_left_out_looks_better(seen: list[tuple[str, float, float]], most: int) -> None:
    """As many as there are, up to the most."""
    aims = [ACCURACY, COST]
    tried = [Tried(n, h, {"accuracy": a, "cost": c}) for n, (h, a, c) in enumerate(seen, 1)]
    every, found = best_looking(tried, aims, 100), best_looking(tried, aims, most)
    assert len(every) == len({h for h, _, _ in seen}) and found == every[:most] == ranked(found, aims)
    worst = max((standing(each.objectives, aims) for each in found), default=None)
    assert all(standing(each.objectives, aims) >= worst for each in every[most:])


def test_means_and_deviations_of_few_are_what_there_is() -> None:
    """Nothing of nothing; no deviation of one."""
    assert means([]) == {} and deviations([{"a": 1.0}]) == {}
    assert means([{"a": 1.0}, {"a": 2.0}]) == {"a": 1.5} and deviations([{"a": 1.0}, {"a": 3.0}]) == {"a": 2**0.5}
    assert ranked([Candidate(2, {"a": 1.0}), Candidate(1, {"a": 1.0})], [Objective("a")])[0].number == 1
