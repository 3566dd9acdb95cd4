"""The parts of a prompt that a configuration chooses: demonstrations of training examples, and mined cue rules."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from services.program.lm.ngrams import cosine, vector
from services.program.lm.parameters import Parameters

Example = Mapping[str, Any]
"""`{"inputs": {…}, "outputs": {…}}`."""
_SMOOTHING = 0.5


def text_of(example: Example) -> str:
    """Returns the inputs of an example as one text."""
    return "\n".join(str(v) for v in example["inputs"].values())


def label_of(example: Example) -> str:
    """Returns the outputs of an example as one label."""
    return "\n".join(str(v) for v in example["outputs"].values())


class Prompts:
    """Chooses demonstrations and rules from one set of training examples; what depends on no query is chosen once.

    Demonstrations that are `given` are all shown, in the place of training examples.
    """

    def __init__(
        self, train: Sequence[Example], parameters: Parameters, given: Sequence[Example] | None = None
    ) -> None:
        self.train = train if given is None else given
        self.parameters = parameters
        self.rules = mine_rules(train, parameters.rule_count)
        self._fixed = self._known() if given is None else list(range(len(given)))

    def demonstrations(self, inputs: Mapping[str, Any]) -> list[int]:
        """Returns the indices of the demonstrations for one query, in the order in which they are shown."""
        query = text_of({"inputs": inputs})
        chosen = self._fixed if self._fixed is not None else self._nearest(query)
        return self._ordered(chosen, query)

    def _known(self) -> list[int] | None:
        return None if self.parameters.demonstration_selection == "nearest" else self._chosen()

    def _chosen(self) -> list[int]:
        count, everything = self.parameters.demonstration_count, list(range(len(self.train)))
        if self.parameters.demonstration_selection == "first":
            return everything[:count]
        random.Random(self.parameters.demonstration_seed).shuffle(everything)
        if self.parameters.demonstration_selection == "balanced":
            everything = _round_robin(everything, [label_of(e) for e in self.train])
        return everything[:count]

    def _nearest(self, query: str) -> list[int]:
        wanted = vector(query)
        ranked = sorted(range(len(self.train)), key=lambda i: -cosine(wanted, vector(text_of(self.train[i]))))
        return ranked[: self.parameters.demonstration_count]

    def _ordered(self, chosen: list[int], query: str) -> list[int]:
        order = self.parameters.demonstration_order
        if order == "reversed":
            return chosen[::-1]
        if order == "shuffled":
            return random.Random(self.parameters.demonstration_seed + 1).sample(chosen, len(chosen))
        if order == "by_label":
            return sorted(chosen, key=lambda i: label_of(self.train[i]))
        if order == "most_similar_last":
            wanted = vector(query)
            return sorted(chosen, key=lambda i: cosine(wanted, vector(text_of(self.train[i]))))
        return chosen


def _round_robin(indices: Sequence[int], labels: Sequence[str]) -> list[int]:
    """Returns the indices so that every label comes once before any comes twice."""
    queues: dict[str, list[int]] = defaultdict(list)
    for i in indices:
        queues[labels[i]].append(i)
    rounds = max((len(q) for q in queues.values()), default=0)
    return [queue[turn] for turn in range(rounds) for queue in queues.values() if turn < len(queue)]


def mine_rules(train: Sequence[Example], count: int) -> list[str]:
    """Returns cue rules for the n-grams of highest log-odds for one label, labels taking turns.

    The odds of an n-gram among some examples are (with + ½) / (without + ½), counting those that contain it and those
    that do not. Its log-odds for a label are log(odds among the label's examples / odds among all others), weighted by
    how many of the label's contain it: a cue that two labels of many share is one of both.
    """
    if count == 0:
        return []
    grams = [(label_of(e), _cues(text_of(e))) for e in train]
    total = Counter(g for _, cues in grams for g in cues)
    ranked = {label: _ranked(label, grams, total) for label in sorted({label for label, _ in grams})}
    rules: list[str] = []
    for turn in range(max((len(r) for r in ranked.values()), default=0)):
        rules += [f'If the text contains "{r[turn]}", answer {label}.' for label, r in ranked.items() if turn < len(r)]
        if len(rules) >= count:
            break
    return rules[:count]


def _cues(text: str) -> set[str]:
    folded = text.casefold().replace('"', " ").replace("\n", " ")
    return {folded[i : i + n] for n in (3, 4, 5) for i in range(len(folded) - n + 1)}


def _ranked(label: str, grams: Sequence[tuple[str, set[str]]], total: Counter[str]) -> list[str]:
    mine = Counter(g for one, cues in grams if one == label for g in cues)
    size = sum(one == label for one, _ in grams)
    odds = {g: n * (_log_odds(n, size) - _log_odds(total[g] - n, len(grams) - size)) for g, n in mine.items() if n > 1}
    best: list[str] = []
    for gram in sorted(odds, key=lambda g: (-odds[g], -len(g), g)):
        # A cue inside another one says the same thing twice.
        if odds[gram] > 0 and not any(gram in other or other in gram for other in best):
            best.append(gram)
        if len(best) == 20:
            break
    return best


def _log_odds(count: int, size: int) -> float:
    return math.log((count + _SMOOTHING) / (size - count + _SMOOTHING))
