"""BM25: which of many texts are about the words of a query (Robertson and Zaragoza 2009, with Lucene's idf)."""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

K1, B = 1.2, 0.75
"""How soon a word's repetitions stop to count, and how far long texts are held to their length."""
_WORD = re.compile(r"\w+")


class Bm25:
    """Texts, indexed by their words: NFKC, case folded."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._lengths = []
        for index, text in enumerate(texts):
            found = words(text)
            self._lengths.append(len(found))
            for word, count in Counter(found).items():
                self._postings[word].append((index, count))
        self._mean = sum(self._lengths) / len(texts) if texts else 0.0

    def scores(self, query: str) -> dict[int, float]:
        """Return the score of every text that shares a word with the query, by its index."""
        found: dict[int, float] = defaultdict(float)
        for word in sorted(set(words(query))):
            postings = self._postings.get(word, ())
            weight = math.log1p((len(self._lengths) - len(postings) + 0.5) / (len(postings) + 0.5))
            for index, count in postings:
                length = 1 - B + B * self._lengths[index] / self._mean
                found[index] += weight * count / (count + K1 * length)
        return dict(found)

    def ranked(self, query: str, k: int) -> list[int]:
        """Return the indices of the k best, best first, the earlier one of equals; fewer where fewer share a word."""
        scores = self.scores(query)
        return sorted(scores, key=lambda index: (-scores[index], index))[:k]


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
