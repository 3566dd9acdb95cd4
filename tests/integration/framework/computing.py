"""What the specimen's computed fields mean, by hand: over the pieces that somebody may see."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from filters import COLORS, IDS, NUMBERS, TEXTS, WHOLE
from google.protobuf.json_format import ParseDict
from hypothesis import strategies as st

from framework.testing.specimen import message

Piece = message("Piece")
SPECIMENS = [str(UUID(int=n)) for n in range(11, 14)]
PIECES = [str(UUID(int=n)) for n in range(21, 28)]
MOMENTS = ["2026-01-01T00:00:00Z", "2026-01-01T23:59:59Z", "2026-01-02T00:00:00Z", "2026-02-28T12:00:00.5Z"]
pieces = st.fixed_dictionaries(
    {
        "created_at": st.sampled_from(MOMENTS),
        "visibility": st.sampled_from(["VISIBILITY_PUBLIC", "VISIBILITY_PUBLIC", "VISIBILITY_PRIVATE"]),
        "specimen_id": st.sampled_from([*SPECIMENS, SPECIMENS[0], ""]),
        "parent_id": st.sampled_from([*PIECES[:4], ""]),
        "name": st.sampled_from(TEXTS),
        "color": st.sampled_from(COLORS),
        "small": st.sampled_from(WHOLE),
        "owner_id": st.sampled_from([*IDS, ""]),
        "weight": st.sampled_from([*NUMBERS, None]),
        "scores": st.dictionaries(st.sampled_from(["a", "b.c"]), st.sampled_from(NUMBERS), max_size=2),
        "detail": st.sampled_from([None, {}, {"color": "COLOR_RED", "ratio": 2.5}, {"text": "x", "ratio": -2}]),
        "archived_at": st.sampled_from([None, None, *MOMENTS[:1]]),
    }
).map(lambda data: ParseDict({name: value for name, value in data.items() if value is not None}, Piece()))
Values = Sequence[Any]


def weights(of: Values) -> list[float]:
    """Returns the weights there are."""
    return [one.weight for one in of if one.HasField("weight")]


def percentile(share: float, values: Values) -> float | None:
    """Returns what lies straight between the neighbours, None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    at = share * (len(ordered) - 1)
    low, high = ordered[math.floor(at)], ordered[math.ceil(at)]
    return low + (at - math.floor(at)) * (high - low)


def mean(values: Values) -> float | None:
    """Returns the mean, None of nothing."""
    return sum(values) / len(values) if values else None


def histogram(values: Values, bins: int) -> dict[str, Any] | None:
    """Returns how values are spread, None of nothing."""
    if not values:
        return None
    low, high = min(values), max(values)
    places = [min(math.floor(bins * ((v - low) / (high - low))) if high > low else 0, bins - 1) for v in values]
    return {"low": low, "high": high, "counts": [places.count(n) for n in range(bins)]}


def moment(one: Any) -> datetime:
    """Returns when a piece was made."""
    found: datetime = one.created_at.ToDatetime(tzinfo=UTC)
    return found


def day(one: Any) -> datetime:
    """Returns the day on which a piece was made."""
    return moment(one).replace(hour=0, minute=0, second=0, microsecond=0)


def _days(of: Values) -> list[tuple[datetime, float | None]]:
    return [(d, max(weights([p for p in of if day(p) == d]), default=None)) for d in sorted(set(map(day, of)))]


def _name_of_heaviest(of: Values) -> str | None:
    heavy = [one for one in of if one.HasField("weight")]
    return max(heavy, key=lambda one: (one.weight, one.id)).name if heavy else None


def _first_color(of: Values) -> int:
    return min(of, key=lambda one: (one.small, one.id)).color if of else 0


def _parts(of: Values, seen: Values) -> int:
    return sum(part.parent_id == one.id and part.small > 0 for one in of for part in seen)


COMPUTED: dict[str, Callable[[Values, Values], Any]] = {
    "piece_count": lambda of, seen: len(of),
    "red_count": lambda of, seen: sum(one.color == 1 and not one.HasField("archived_at") for one in of),
    "color_count": lambda of, seen: len({one.color for one in of}),
    "part_count": _parts,
    "has_pieces": lambda of, seen: bool(weights(of)),
    "small_sum": lambda of, seen: sum(one.small for one in of),
    "weight_sum": lambda of, seen: sum(weights(of)),
    "mean_weight": lambda of, seen: mean(weights(of)),
    "mean_or_zero": lambda of, seen: mean(weights([one for one in of if one.small > 0])) or 0.0,
    "min_weight": lambda of, seen: min(weights(of), default=None),
    "max_small": lambda of, seen: max((one.small for one in of), default=None),
    "p50_weight": lambda of, seen: percentile(0.5, weights(of)),
    "p95_small": lambda of, seen: percentile(0.95, [one.small for one in of]),
    "last_piece_at": lambda of, seen: max(map(moment, of), default=None),
    "first_color": lambda of, seen: COLORS[_first_color(of)],
    "heaviest_name": lambda of, seen: _name_of_heaviest(of),
    "doubled": lambda of, seen: 2 * sum(one.small for one in of),
}
"""The fields that can be filtered and ordered by: what they are over a specimen's pieces, and all pieces seen."""
LISTED: dict[str, Callable[[Values], Any]] = {
    "piece_names": lambda of: [one.name for one in sorted(of, key=lambda p: (p.name, p.id))][:3],
    "weights": lambda of: sorted(weights(of)),
    "spread": lambda of: histogram(weights(of), 3),
    "days": _days,
}
