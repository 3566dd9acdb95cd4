"""A model that keeps failing is left alone, and comes back by one trial."""

import pytest

from services.program.connectors.breaker import Breaker
from services.program.connectors.faults import ModelUnavailable, RateLimited


def test_it_opens_after_failures_in_a_row_and_lets_one_call_try() -> None:
    """What succeeds in between closes it; a failed trial opens it again at once."""
    now = [0.0]
    breaker = Breaker(3, 10.0, lambda: now[0])
    for _ in range(2):
        breaker.failed(ModelUnavailable("m answers 500"))
    breaker.succeeded()
    for _ in range(3):
        breaker.enter("m")
        breaker.failed(ModelUnavailable("m answers 503"))
    with pytest.raises(ModelUnavailable, match="left alone") as refused:
        breaker.enter("m")
    assert refused.value.retry_after == 10.0
    assert "3 times" in str(refused.value) and str(refused.value).endswith("m answers 503")
    now[0] = 11.0
    breaker.enter("m")
    with pytest.raises(ModelUnavailable):
        breaker.enter("m")
    breaker.failed(RateLimited("m wants to be asked less"))
    with pytest.raises(ModelUnavailable) as refused:
        breaker.enter("m")
    assert refused.value.error_class == "RATE_LIMIT" and not refused.value.billed
    now[0] = 22.0
    breaker.enter("m")
    breaker.left()
    breaker.enter("m")
    breaker.succeeded()
    breaker.enter("m")
    breaker.enter("m")
