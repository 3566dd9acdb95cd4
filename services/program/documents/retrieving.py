"""Looking up the examples most similar to a text."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.values import Json
from services.program.lm.ngrams import cosine, vector
from services.program.lm.prompt import text_of

DEFAULT_K, MOST_K = 5, 100
MOST_EXAMPLES = 20_000
"""How many examples are looked through: those that came first."""


class Retriever:
    """Examples, each with the vector of its inputs as one text."""

    def __init__(self, examples: Sequence[Mapping[str, Any]]) -> None:
        self._examples = [{"inputs": each["inputs"], "outputs": each["outputs"]} for each in examples[:MOST_EXAMPLES]]
        self._vectors = [vector(text_of(each)) for each in self._examples]

    def found(self, query: str, k: int) -> dict[str, Json]:
        """Returns the k nearest examples, nearest first, the earlier one of equals, as texts and as objects."""
        wanted = vector(query)
        scores = [cosine(wanted, each) for each in self._vectors]
        ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]
        examples = [self._examples[i] for i in ranked]
        return {"passages": [_passage(each) for each in examples], "examples": examples}


def _passage(example: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for side in ("inputs", "outputs") for name, value in example[side].items())
