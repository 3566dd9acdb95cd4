"""Rules are mined by log-odds: cues that are common with a label and rare without it."""

from services.program.lm.prompt import Example, mine_rules


def examples(**texts: list[str]) -> list[Example]:
    """Returns examples by label."""
    return [{"inputs": {"text": text}, "outputs": {"label": label}} for label, all_ in texts.items() for text in all_]


TRAIN = examples(
    da=["Peru og Oman", "Togo og Mali"],
    nb=["Cuba og Iran", "Jemen og Laos"],
    sv=["Chile och Fiji", "Palau och Nauru"],
    de=["Belize und Kenia", "Gabun und Haiti"],
    fr=["Niger et Malte", "Samoa et Tonga"],
)


def test_a_cue_that_two_labels_share_is_one_of_both() -> None:
    """Where many labels are, half of them being right is far above chance: each of the two gets the rule."""
    rules = mine_rules(TRAIN, 5)
    assert rules == [
        f'If the text contains "{cue}", answer {label}.'
        for label, cue in (("da", " og "), ("de", " und "), ("fr", " et "), ("nb", " og "), ("sv", " och "))
    ]


def test_a_cue_that_says_nothing_is_no_rule() -> None:
    """What is as common among the others, and what was seen once, is left out, however many rules are wanted."""
    train = examples(a=["xyz one", "xyz two"], b=["xyz three", "xyz four"])
    assert mine_rules(train, 100) == []
    assert mine_rules(TRAIN, 0) == []


def test_labels_take_turns() -> None:
    """A few rules serve as many labels as there are rules."""
    for count in range(1, 6):
        rules = mine_rules(TRAIN, count)
        assert len(rules) == count == len({rule.rpartition("answer ")[2] for rule in rules})
