"""Configurations drawn at random, the same on every replica."""

from domain.seeds import Draw
from domain.space import Space
from domain.values import Json


def random_configuration(space: Space, seed: int, index: int) -> dict[str, Json]:
    """Return the index-th configuration of that seed; it depends on nothing else."""
    return space.draw(Draw(seed, "random", index))


def random_configurations(space: Space, count: int, seed: int) -> list[dict[str, Json]]:
    """Return `count` independent, identically distributed configurations; the first ones of any longer list."""
    return [random_configuration(space, seed, index) for index in range(count)]
