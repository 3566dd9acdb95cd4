"""The one way out: requests to hosts that users name, kept away from everything that is not public."""

from framework.egress.judging import EgressRefused
from framework.egress.policy import EgressPolicy

__all__ = ["EgressPolicy", "EgressRefused"]
