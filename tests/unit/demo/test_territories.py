"""The demo's data is what its description promises."""

from collections import Counter

from babel import Locale

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


def test_every_text_has_one_answer() -> None:
    """Two languages may join two names alike; such a text is in no split, so no example is a riddle."""
    joined: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        for example in getattr(load(), split):
            joined.setdefault(example["inputs"]["text"], set()).add(example["outputs"]["language"])
    assert all(len(languages) == 1 for languages in joined.values())
    da, nb = (
        {name: str(names[name]) for name in names} for names in (Locale("da").territories, Locale("nb").territories)
    )
    alike = {name for name in da.keys() & nb.keys() if da[name] == nb[name]}
    assert {"AD", "PE"} <= alike
    pairs = {f"{da[a]} og {da[b]}" for a in alike for b in alike}
    assert not pairs & joined.keys()


def test_every_name_is_a_territorys() -> None:
    """CLDR also names unions, groupings and made-up places; none of them is in the data."""
    names = {str(Locale(language).territories[code]) for language in LANGUAGES for code in ("UN", "XA", "ZZ", "EU")}
    texts = " ".join(e["inputs"]["text"] for split in ("train", "validation", "test") for e in getattr(load(), split))
    assert not [name for name in names if len(name) > 3 and name in texts]
