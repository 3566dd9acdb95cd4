"""Reports of runs: put together from what is stored whenever they are asked for, as a message and as a page."""

from services.optimizer.reporting.serving import get_page, get_report

__all__ = ["get_page", "get_report"]
