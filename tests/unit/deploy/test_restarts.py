"""Dead processes come back: soon at first, later when they keep dying, soon again after a steady life."""

from deploy.local.restarts import STEADY_SECONDS, Restarts


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def waits(restarts: Restarts, clock: Clock, name: str) -> float:
    """Returns how long a process that ends now has to wait, and starts it then."""
    died = clock.now
    assert restarts.ended(name)
    while not restarts.is_due(name):
        clock.now += 0.5
    restarts.started(name)
    return clock.now - died


def test_who_keeps_dying_young_waits_longer_each_time() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    restarts.started("a")
    assert [waits(restarts, clock, "a") for _ in range(6)] == [0.5, 1.0, 2.0, 5.0, 10.0, 10.0]


def test_a_steady_life_is_a_new_beginning() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    restarts.started("a")
    waits(restarts, clock, "a")
    waits(restarts, clock, "a")
    clock.now += STEADY_SECONDS
    assert waits(restarts, clock, "a") == 0.5


def test_a_death_is_noted_once_and_is_nobody_elses() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    restarts.started("a")
    restarts.started("b")
    assert restarts.ended("a") and not restarts.ended("a")
    clock.now += 1.0
    assert restarts.is_due("a") and not restarts.is_due("b")
