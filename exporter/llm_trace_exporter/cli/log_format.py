"""Log lines as Prometheus' own tools write them: logfmt, or JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

_REQUEST_LOGS = ("httpx", "httpx2")
"""Loggers with a line of level info for each request that a client makes: the judge's, mostly."""

LogFormat = Literal["text", "json"]


def set_up_logging(level: str, log_format: LogFormat) -> None:
    """Send everything logged by this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(log_format))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel({"warn": "WARNING"}.get(level, level.upper()))
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    for name in _REQUEST_LOGS:
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


class _Formatter(logging.Formatter):
    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._format = log_format

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": {"WARNING": "warn"}.get(record.levelname, record.levelname.lower()),
            "component": record.name.removeprefix("llm_trace_exporter.").partition(".")[0],
            "msg": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["err"] = self.formatException(record.exc_info)
        if self._format == "json":
            return json.dumps(fields)
        return " ".join(f"{name}={_quoted(value)}" for name, value in fields.items())


def _quoted(value: str) -> str:
    plain = value and all(c.isprintable() and c not in ' ="\\' for c in value)
    return value if plain else json.dumps(value)
