"""Configurations drawn at random, the same on every replica, with bounded effort where there are constraints."""

from collections import Counter
from collections.abc import Iterator

from domain.repairing import repaired
from domain.seeds import Draw
from domain.space import Space
from domain.values import Json

ATTEMPTS = 256
"""How many candidates are drawn for one configuration before the best of them is repaired."""

CANDIDATES = 200
"""How many draws tell which share of a space its constraints leave."""

MOST_VALUES = 2_000_000
"""How many values are drawn for one list of configurations: some seconds' work."""


def most_candidates(space: Space, count: int) -> int:
    """Return how many candidates are looked at for a list: those of MOST_VALUES values, ten for each at least."""
    return max(MOST_VALUES // (len(space.variables) + 40), 10 * count, ATTEMPTS)


class Unsatisfied(Exception):  # noqa: N818 - what the space seems to be
    """No configuration was found within the effort that is allowed: the space seems, or is, unsatisfiable.

    Tells how many candidates were looked at, how many of them were valid, and which constraint (or computed
    variable without a value) most of them broke.
    """

    def __init__(self, candidates: int, accepted: int, most_violated: str, share: float) -> None:
        self.candidates = candidates
        self.accepted = accepted
        self.most_violated = most_violated
        self.share = share
        found = f"{accepted} of {candidates} candidates ({accepted / candidates:.2%}) are valid"
        super().__init__(f"{found}; {share:.0%} break {most_violated}")


class Effort:
    """Keeps count of what finding configurations of one list takes, and ends it where that is too much."""

    def __init__(self, space: Space, count: int = 1) -> None:
        self.space = space
        self.most = most_candidates(space, count)
        self._may_break = space.rules.may_break
        self.candidates = 0
        self.accepted = 0
        self.broken: Counter[str] = Counter()

    def broken_by(self, candidate: dict[str, Json]) -> int:
        """Return how many constraints a candidate breaks; raises Unsatisfied where enough were looked at."""
        if not self._may_break:
            return 0
        if self.candidates >= self.most:
            raise self.unsatisfied()
        found = self.space.rules.broken(candidate)
        self.candidates += 1
        self.accepted += not found
        self.broken.update(name for name, _ in found)
        return len(found)

    def unsatisfied(self) -> Unsatisfied:
        """Return what to raise when nothing is found."""
        # Counter keeps the order of first sight: the earlier constraint of equals.
        name, count = self.broken.most_common(1)[0]
        return Unsatisfied(self.candidates, self.accepted, name, count / self.candidates)


class Sampler:
    """Draws configurations of a space at random."""

    def __init__(self, space: Space, seed: int, count: int = 1) -> None:
        self.space = space
        self.seed = seed
        self.effort = Effort(space, count)

    def configuration(self, index: int) -> dict[str, Json]:
        """Return the index-th configuration of the seed, which depends on nothing else; raises Unsatisfied.

        Without constraints, and mostly with them, configurations are independent draws from the declared distributions.
        Where none of ATTEMPTS candidates is valid, the one that breaks least is repaired: one variable of a broken
        constraint is drawn anew at a time.
        """
        least: tuple[int, dict[str, Json]] | None = None
        for candidate in self._drawn(index):
            count = self.effort.broken_by(candidate)
            if not count:
                return candidate
            if least is None or count < least[0]:
                least = count, candidate
        if least and (found := repaired(self.space, least[1], Draw(self.seed, "repair", index))) is not None:
            return found
        raise self.effort.unsatisfied()

    def _drawn(self, index: int) -> Iterator[dict[str, Json]]:
        yield self.space.draw(Draw(self.seed, "random", index))
        for attempt in range(1, ATTEMPTS):
            yield self.space.draw(Draw(self.seed, "random", index, attempt))


def random_configuration(space: Space, seed: int, index: int) -> dict[str, Json]:
    """Return the index-th configuration of that seed; it depends on nothing else. Raises Unsatisfied."""
    return Sampler(space, seed).configuration(index)


def random_configurations(space: Space, count: int, seed: int) -> list[dict[str, Json]]:
    """Return `count` independent configurations; the first ones of any longer list. Raises Unsatisfied."""
    sampler = Sampler(space, seed, count)
    return [sampler.configuration(index) for index in range(count)]


def tried(space: Space, candidates: int) -> list[list[str]]:
    """Return the names of what each of so many draws breaks; they are always the same draws."""
    drawn = (space.draw(Draw("feasible", index)) for index in range(candidates))
    return [[name for name, _ in space.rules.broken(each)] for each in drawn]


def feasible_share(space: Space) -> float:
    """Return which share of CANDIDATES draws is valid; 1 where nothing can break."""
    if not space.rules.may_break:
        return 1.0
    return sum(not broken for broken in tried(space, CANDIDATES)) / CANDIDATES
