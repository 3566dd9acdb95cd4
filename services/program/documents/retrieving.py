"""Looking up examples for a text: the most similar ones, those about its words, or what registered code finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.bm25 import Bm25
from domain.values import Json
from services.program.code.contract import CodeFault
from services.program.lm.ngrams import cosine, vector
from services.program.lm.prompt import text_of

DEFAULT_K, MOST_K = 5, 100
NEAREST = "nearest"
Example = Mapping[str, Any]


class Ranks(Protocol):
    """Something that says which of its texts a query is about."""

    def ranked(self, query: str, k: int) -> list[int]:
        """Returns the indices of the k best, best first."""


class Nearest:
    """Texts, each with the vector of its letters."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._vectors = [vector(each) for each in texts]

    def ranked(self, query: str, k: int) -> list[int]:
        """Returns the indices of the k nearest, nearest first, the earlier one of equals."""
        wanted = vector(query)
        scores = [cosine(wanted, each) for each in self._vectors]
        return sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:k]


@dataclass(frozen=True)
class BuiltIn:
    """A retriever that comes with the platform."""

    index: Callable[[Sequence[str]], Ranks]
    description: str


BUILT_IN = {
    NEAREST: BuiltIn(Nearest, "The examples whose inputs are written most alike, by the letters that stand together."),
    "bm25": BuiltIn(Bm25, "The examples whose inputs share the rarest words with the query (BM25)."),
}


class Retriever:
    """Examples, indexed by their inputs as one text."""

    def __init__(self, examples: Sequence[Example], name: str = NEAREST) -> None:
        self._examples = shown(examples)
        self._ranks = BUILT_IN[name].index([text_of(each) for each in self._examples])

    def found(self, query: str, k: int) -> dict[str, Json]:
        """Returns the k best examples, best first, as texts and as objects."""
        examples = [self._examples[i] for i in self._ranks.ranked(query, k)]
        return {"passages": [_passage(each) for each in examples], "examples": examples}


def shown(examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Returns what a retriever sees of examples."""
    return [{"inputs": each["inputs"], "outputs": each["outputs"]} for each in examples]


def said(name: str, outputs: Mapping[str, Json], k: int) -> dict[str, Json]:
    """Returns what registered code found, k of each at most; raises CodeFault for what is no finding."""
    passages, examples = outputs.get("passages"), outputs.get("examples", [])
    if not isinstance(passages, list) or not all(isinstance(each, str) for each in passages):
        raise CodeFault("BAD_OUTPUT", f"the retriever {name} must return `passages`, a list of texts")
    if not isinstance(examples, list) or not all(isinstance(each, dict) for each in examples):
        raise CodeFault("BAD_OUTPUT", f"the retriever {name} must return `examples` as a list of objects")
    return {"passages": passages[:k], "examples": examples[:k]}


def _passage(example: Example) -> str:
    return "\n".join(f"{name}: {value}" for side in ("inputs", "outputs") for name, value in example[side].items())
