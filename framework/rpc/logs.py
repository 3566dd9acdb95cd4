"""Logs as JSON lines on standard error, one per event, with request id and trace where there are such."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import psycopg

from framework import telemetry
from framework.resource.sensitive import secrets_in, struck
from framework.rpc.current import current_or_none


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON, in which no sensitive value of the call that is served is quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        call = current_or_none()
        secrets = secrets_in(call.arguments) if call else set()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": struck(record.getMessage(), secrets),
        }
        if traced := (call.trace_id if call else telemetry.trace_id()):
            line["trace_id"] = traced
        for key in ("request_id", "ms"):
            if hasattr(record, key):
                line[key] = getattr(record, key)
        if record.exc_info and record.exc_info[0] is not None:
            line["fault"] = struck(self._fault(record.exc_info), secrets)
        return json.dumps(line, ensure_ascii=False)

    def _fault(self, raised: Any) -> str:
        """Returns a traceback without what PostgreSQL quotes of the rows and parameters that it refused."""
        text = self.formatException(raised)
        for one in _causes(raised[1]):
            if isinstance(one, psycopg.Error):
                text = text.replace(str(one), str(one).split("\n", 1)[0])
        return text


def _causes(raised: BaseException | None) -> list[BaseException]:
    """Returns a fault and those behind it, each once: some are raised from what they caused."""
    found: list[BaseException] = []
    while raised is not None and raised not in found:
        found.append(raised)
        raised = raised.__cause__ or raised.__context__
    return found


def set_up(level: str) -> None:
    """Sends every record of at least this level to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It tells the URL of every request, and some services want their keys in there.
    logging.getLogger("httpx").setLevel(logging.WARNING)
