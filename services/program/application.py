"""What the program service's API needs besides its database: registered code, a peer, and rules for the outside."""

from dataclasses import dataclass, field
from typing import Any

from framework.egress import EgressPolicy
from framework.secrets import SecretReferences
from services.program.describing import Describing
from services.program.handing import Waiting
from services.program.known import Known
from services.program.lm.engine import ModelSettings


@dataclass(frozen=True)
class Application:
    """The way to registered code, the stub of the peer that is asked as the caller, and the rules for connectors."""

    describing: Describing
    variables: Any
    egress: EgressPolicy
    secrets: SecretReferences
    models: ModelSettings = field(default_factory=ModelSettings)
    """Which model is meant where nobody names one, and where it lives."""
    waiting: Waiting = field(default_factory=Waiting)
    """The workers that wait for executions to be handed to them."""
    known: Known = field(default_factory=Known)
    """The programs that were executed last."""
