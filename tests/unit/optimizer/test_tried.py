"""What a worker knows of its trials without asking again: the same as whoever reads them anew."""

import random
from typing import Any

from services.optimizer.tried import FINISHED, Tried

ENDS = (*FINISHED, "STATUS_CANCELLED")


def row(number: int, status: str = "STATUS_RUNNING", content: str = "", origin: str = "ORIGIN_SUGGESTED") -> Any:
    """Returns a trial's row."""
    told = {"objectives": {"gain": number / 10}, "configuration": {"x": number}, "evaluation_id": number}
    return {"number": number, "status": status, "content_hash": content or str(number), "origin": origin, **told}


def known(tried: Tried) -> Any:
    """Returns all that it says of them."""
    hashes = {each["content_hash"] for each in tried.rows}
    originals = {each: tried.original(each) for each in hashes}
    return tried.rows, tried.open, tried.finished, tried.planned, originals, [tried.until(n) for n in range(len(tried))]


def test_what_was_noted_is_what_would_be_read() -> None:
    """Trials begin and end in any order, and some try the same."""
    chance, tried, rows = random.Random(5), Tried(), list[Any]()
    for number in range(1, 80):
        origin = chance.choice(("ORIGIN_SUGGESTED", "ORIGIN_RETRIED", "ORIGIN_COPIED"))
        rows.append(row(number, content=str(chance.randrange(40)), origin=origin))
        tried.begun(rows[-1])
        for each in chance.sample(list(tried.open.values()), k=min(len(tried.open), chance.randrange(3))):
            rows[each["number"] - 1] = each | {"status": chance.choice(ENDS)}
            tried.ended(rows[each["number"] - 1])
        assert known(tried) == known(Tried(rows))


def test_an_observation_stays_the_same_one() -> None:
    """Strategies remember what they made of each."""
    tried = Tried([row(1), row(2)])
    tried.ended(row(2, "STATUS_COMPLETED"))
    (second,) = tried.finished
    tried.ended(row(1, "STATUS_FAILED"))
    assert tried.finished[1] is second and [each.objectives for each in tried.finished] == [None, {"gain": 0.2}]


def test_a_configuration_is_tried_already_unless_it_failed() -> None:
    """Where each is evaluated for itself, it is known which was the first, and how many there were."""
    tried = Tried([row(1, "STATUS_FAILED", "a"), row(2, "STATUS_DROPPED", "b"), row(3, "STATUS_RUNNING", "a")])
    first, other = tried.original("a"), tried.original("b")
    assert first is not None and other is not None and (first["number"], other["number"]) == (3, 2)
    assert tried.original("c") is None
    assert [(each.trial_number, each.repeat) for each in map(tried.repeated, "abc")] == [(1, 2), (2, 1), (0, 0)]
