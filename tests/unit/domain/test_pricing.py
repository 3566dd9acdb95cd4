"""What model calls cost: exact, dated, and unknown is not zero."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.pricing import Price, Usage, expected, micros, price_at, refusal

COUNTS = st.integers(0, 10**7)
PRICE = Price(150_000, 600_000, 75_000)


def test_a_call_costs_what_its_tokens_cost_and_a_part_of_a_billionth_counts_whole() -> None:
    """A million tokens of input at $0.15, of which some were cached at half of it, and output at $0.60."""
    assert PRICE.cost_nanos(Usage(1_000_000, 1_000_000)) == 750_000_000
    assert PRICE.cost_nanos(Usage(10, 1, cached_input_tokens=4)) == 6 * 150 + 4 * 75 + 600
    assert Price(1, 0).cost_nanos(Usage(1)) == 1 and micros(1) == 1 and micros(2_000) == 2


def test_an_unknown_price_is_unknown_and_not_zero() -> None:
    """Unless nothing of the kind was taken; a price that is zero is known."""
    assert Price(None, 5).cost_nanos(Usage(1, 1)) is None
    assert Price(None, 1_000_000).cost_nanos(Usage(0, 1)) == 1_000
    assert Price(0, 0, request_nanos=7).cost_nanos(Usage(5, 5)) == 7


def test_the_price_that_began_last_holds() -> None:
    """And none before the first, or after the last ends."""
    old = Price(1, 1, until=datetime(2026, 6, 1, tzinfo=UTC))
    new = Price(2, 2, since=datetime(2026, 5, 1, tzinfo=UTC), until=datetime(2026, 7, 1, tzinfo=UTC))
    at = [price_at([new, old], datetime(2026, month, 15, tzinfo=UTC)) for month in (4, 5, 6, 8)]
    assert at == [old, new, new, None]


@given(COUNTS, COUNTS, st.floats(0.01, 2), st.floats(0, 1))
def test_what_is_set_aside_covers_what_comes(size: int, most: int, rate: float, part: float) -> None:
    """Whatever the answer's length, while the tokenizer is not a fifth worse than it was."""
    aside = expected(size, most, rate)
    took = Usage(int(size * rate), int(most * part))
    known, cost = PRICE.cost_nanos(aside), PRICE.cost_nanos(took)
    assert known is not None and cost is not None and known >= cost


def test_a_limit_that_cannot_be_kept_is_refused_with_its_remedy() -> None:
    """No price, or no bound of the output."""
    assert "prices" in refusal(limited=True, price=None, max_tokens=5)
    assert "prices" in refusal(limited=True, price=Price(1, None), max_tokens=5)
    assert "max_tokens" in refusal(limited=True, price=PRICE, max_tokens=None)
    assert refusal(limited=True, price=PRICE, max_tokens=5) == "" == refusal(limited=False, price=None, max_tokens=None)
