"""A strategy as others write one: it climbs by small steps from the best so far."""

from domain.moving import perturbed
from domain.objectives import best
from domain.sampling import random_configuration
from domain.seeds import Draw


class Climbing:
    """Steps from the best trial, or anywhere while there is none."""

    def __init__(self, step=0.05):
        self.step = step

    def suggest(self, question):
        """Return a neighbour of the best."""
        if (found := best(question.finished, question.objectives)) is None:
            return random_configuration(question.space, question.seed, question.number)
        return perturbed(question.space, found.values, Draw(question.seed, "climbing"), self.step)


class Lost:
    """Suggests what no space has."""

    def suggest(self, question):
        """Return nonsense."""
        return {"nowhere": 1}
