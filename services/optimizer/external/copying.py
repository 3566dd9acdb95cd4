"""What was tried already: a trial that would try it again is a copy, ends as the other does, and costs nothing."""

import asyncio
from collections.abc import Mapping
from typing import Any

from services.optimizer.external.turn import Turn
from services.optimizer.origins import COPIED

_READ = """
SELECT * FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = %(number)s
"""
_FREE = """
UPDATE trials SET origin = 'ORIGIN_SUGGESTED', origin_trial_number = 0, lease_until = clock_timestamp(),
       lock_version = lock_version + 1
WHERE organization_id = %(organization)s AND optimization_run_id = %(run)s AND number = ANY(%(numbers)s)
"""


async def original(at: Turn, content_hash: str) -> Mapping[str, Any] | None:
    """Returns the trial that tries a configuration, or has tried it to a sure end; None where there is none.

    What failed is tried again, unless it was found that it cannot be tried at all.
    """
    for each in at.out:
        if each["content_hash"] == content_hash:
            return each
    number = (await at.warm()).tried.get(content_hash)
    return None if number is None else await at.tx.fetch_one(_READ, at.ids | {"number": number})


async def is_all_tried(at: Turn) -> bool:
    """Tells whether every configuration of a small space was tried, or is being tried."""
    warm = await at.warm()
    points = await asyncio.to_thread(lambda: warm.points)
    return points is not None and points <= warm.tried.keys() | {each["content_hash"] for each in at.out}


async def free_copies(at: Turn, number: int) -> None:
    """Lets others have the copies of an open trial that tries something else by now, as it was asked for more."""
    copies = [each for each in at.open.values() if each["origin"] == COPIED and each["origin_trial_number"] == number]
    if copies:
        await at.tx.send(_FREE, at.ids | {"numbers": [each["number"] for each in copies]})
        at.is_news = True
    for each in copies:
        each |= {"origin": "ORIGIN_SUGGESTED", "origin_trial_number": 0, "ended": True, "seconds": 0.0}
