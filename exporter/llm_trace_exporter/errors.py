"""Every error this package raises on purpose.

```
ExporterError
├── ConfigError      a configuration that cannot be used (all problems at once)
├── DecodeError      a request body that is not OTLP            -> HTTP 400 / INVALID_ARGUMENT
├── RejectedRecord   one record with impossible values          -> partial success
└── Overloaded       no room to take more in now; ask later     -> HTTP 503 / UNAVAILABLE
```
"""

from __future__ import annotations


class ExporterError(Exception):
    """Base of every error raised on purpose."""


class ConfigError(ExporterError):
    """A configuration that cannot be used; `problems` holds one line per finding."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DecodeError(ExporterError):
    """A request body that is not the OTLP message it claims to be."""


class RejectedRecord(ExporterError):
    """One span or log record whose values cannot be true.

    `reason` is a short fixed text, safe to show: it never holds a value from the record.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Overloaded(ExporterError):
    """No room to take more in now; `retry_after_s` says when to ask again."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnreadableNumber(RejectedRecord):
    """A number on one record is none; only its own fact is lost where it is optional."""
