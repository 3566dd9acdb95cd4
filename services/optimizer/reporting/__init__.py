"""Reports of runs: put together from what is stored whenever they are asked for, as a message and as a page."""

from services.optimizer.reporting.page import page
from services.optimizer.reporting.report import report

__all__ = ["page", "report"]
