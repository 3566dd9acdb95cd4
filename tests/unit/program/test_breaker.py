"""A model that keeps failing is left alone, and comes back by one trial."""

import pytest

from services.program.connectors.breaker import Breaker
from services.program.connectors.faults import ModelUnavailable


def test_it_opens_after_failures_in_a_row_and_lets_one_call_try() -> None:
    """What succeeds in between closes it; a failed trial opens it again at once."""
    now = [0.0]
    breaker = Breaker(3, 10.0, lambda: now[0])
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        breaker.enter("m")
        breaker.failed()
    with pytest.raises(ModelUnavailable, match="left alone") as refused:
        breaker.enter("m")
    assert refused.value.retry_after == 10.0
    now[0] = 11.0
    breaker.enter("m")
    with pytest.raises(ModelUnavailable):
        breaker.enter("m")
    breaker.failed()
    with pytest.raises(ModelUnavailable):
        breaker.enter("m")
    now[0] = 22.0
    breaker.enter("m")
    breaker.left()
    breaker.enter("m")
    breaker.succeeded()
    breaker.enter("m")
    breaker.enter("m")
