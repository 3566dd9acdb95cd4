"""How trials end."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.optimizer.spending import Usage


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: what it reached, or why it failed."""

    objectives: dict[str, float] = field(default_factory=dict)
    error: str = ""
    error_class: str = "ERROR_CLASS_UNSPECIFIED"
    finished_count: int = 0
    example_count: int = 0
    usage: Usage = field(default_factory=Usage)
    waits_for: str = ""
    """Which model is away, in words: the trial is not at its end, and is to be evaluated further when it is back."""
    lost_to: int = 0
    """The number of the trial that it lost to, when it was dropped; its objectives are imputed then."""

    def final(self) -> "Outcome":
        """Returns how the trial ends whose model stays away."""
        if not self.waits_for:
            return self
        return replace(self, error=self.waits_for, error_class="ERROR_CLASS_MODEL_UNAVAILABLE", waits_for="")

    def copied(self) -> "Outcome":
        """Returns how a trial ends that tries the same: likewise, and for nothing."""
        return replace(self, finished_count=0, usage=Usage())


def ended(trial: Mapping[str, Any]) -> Outcome:
    """Returns how a trial has ended, as its row tells."""
    told = {name: trial[name] for name in ("objectives", "error", "error_class", "example_count")}
    return Outcome(**told, lost_to=trial["lost_to_trial_number"])
