"""What the program service's API needs besides its database: what is registered, and the variables service."""

from dataclasses import dataclass
from typing import Any

from services.program.describing import Describing


@dataclass(frozen=True)
class Application:
    """The way to registered code, and the stub of the peer that is asked as the caller."""

    describing: Describing
    variables: Any
