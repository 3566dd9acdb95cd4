"""The demo's data is what its description promises."""

from collections import Counter

from demo.territories import LANGUAGES, load


def test_sizes_and_balance() -> None:
    """200, 300 and 1,200 examples, languages balanced to within one."""
    splits = load()
    for split, size in ((splits.train, 200), (splits.validation, 300), (splits.test, 1200)):
        counts = Counter(e["outputs"]["language"] for e in split)
        assert len(split) == size
        assert set(counts) == set(LANGUAGES)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_no_text_is_in_two_splits_and_loading_twice_gives_the_same() -> None:
    """Territories are disjoint between the splits, so texts are too; nothing about it is random."""
    splits = load()
    texts = [{e["inputs"]["text"] for e in split} for split in (splits.train, splits.validation, splits.test)]
    assert not texts[0] & texts[1] and not texts[0] & texts[2] and not texts[1] & texts[2]
    assert load() == splits
