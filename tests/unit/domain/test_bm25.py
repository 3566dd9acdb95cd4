"""BM25 finds texts about the words of a query."""

from hypothesis import given
from hypothesis import strategies as st

from domain.bm25 import Bm25, words

TEXTS = st.lists(st.text("ab c", max_size=12), max_size=12)


def test_rare_words_and_short_texts_count_more() -> None:
    """By hand: the idf of one text in four is ln(1 + 3.5 / 1.5), and the length is as the mean."""
    found = Bm25(["cat dog", "dog fox", "dog owl", "dog dog"])
    assert found.ranked("CAT dog", 4) == [0, 3, 1, 2]
    assert abs(found.scores("cat")[0] - 1.2039728 / (1 + 1.2)) < 1e-6
    assert Bm25(["fox in a long text", "fox"]).ranked("fox", 2) == [1, 0]
    assert Bm25([]).ranked("fox", 2) == [] and Bm25(["", "!"]).ranked("fox", 1) == []


@given(TEXTS, st.text("ab c", max_size=6), st.integers(1, 5))
def test_only_what_shares_a_word_is_found_and_the_earlier_of_equals_comes_first(
    texts: list[str], query: str, k: int
) -> None:
    """Never more than asked for; asked for fewer, the same begin the list."""
    found = Bm25(texts)
    ranked, scores = found.ranked(query, k), found.scores(query)
    assert len(ranked) == min(k, len(scores)) and ranked == found.ranked(query, 100)[:k]
    assert set(scores) == {i for i, text in enumerate(texts) if set(words(text)) & set(words(query))}
    assert [(-scores[i], i) for i in ranked] == sorted((-scores[i], i) for i in ranked)
