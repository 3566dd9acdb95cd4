"""What can go wrong with a model; every message is fit for the caller and names no secret."""

from typing import Any, ClassVar


class ModelFault(Exception):  # noqa: N818 - the tree's root; its leaves say what happened
    """A model did not give an answer that can be used; `error_class` is the proto's ErrorClass without its prefix."""

    error_class: str = "MODEL_REFUSED"
    charged: Any = None
    """What the whole prediction took all the same, once the runner knows."""
    charge: Any = None
    """What this very call is taken to have cost, where the endpoint may have worked for it."""
    billed: ClassVar[bool] = False
    """Whether the endpoint may have done the work, and will want to be paid for it."""


class ModelUnavailable(ModelFault):
    """It does not answer now; trying again may help."""

    error_class = "MODEL_UNAVAILABLE"
    retry_after: float | None = None
    """In how many seconds the endpoint wants to be asked again, where it said so."""


class RateLimited(ModelUnavailable):
    """It wants to be asked less."""

    error_class = "RATE_LIMIT"


class LeftAlone(ModelUnavailable):
    """It failed so often that it is not asked for a moment; the class is that of the last failure."""

    def __init__(self, name: str, times: int, last: ModelUnavailable) -> None:
        super().__init__(f"{name} failed {times} times in a row and is left alone for a moment; the last time {last}")
        self.error_class = last.error_class


class AnswerLost(ModelUnavailable):
    """The connection broke while it answered."""

    billed = True


class TimedOut(ModelUnavailable):
    """It took longer than it may."""

    error_class = "TIMEOUT"
    billed = True


class ModelRefused(ModelFault):
    """It refused the request; trying again will not help."""


class NoCompletion(ModelRefused):
    """It answered something that is no completion."""

    billed = True


class AuthRefused(ModelRefused):
    """It does not accept the key, or there is none that may be used."""

    error_class = "AUTH"


class BudgetSpent(ModelRefused):
    """The call would cost more than may be spent, or nobody knows what it would cost."""

    error_class = "BUDGET"


class OutputUnparsable(ModelFault):
    """It answered something that is not in the shape of the signature."""

    error_class = "PARSE"
