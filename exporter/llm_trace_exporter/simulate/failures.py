"""How calls fail: the exporter's word for it, and what a client library writes on the span."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail."""

    error_type: str
    """Class of the exception."""
    status: int | None
    """HTTP status of the answer, where there was one."""
    message: str
    share: float
    """Of the errors of a healthy day."""
    seconds: float | None = None
    """How long it takes until the failure is known; None: as long as a call takes."""


FAILURES: Mapping[str, Failure] = {
    "rate_limited": Failure("RateLimitError", 429, "Rate limit reached for requests", 0.30, 0.2),
    "timeout": Failure("APITimeoutError", None, "Request timed out.", 0.22, 30.0),
    "server_error": Failure("InternalServerError", 500, "The server had an error", 0.20, 1.5),
    "connection": Failure("APIConnectionError", None, "Connection error.", 0.12, 0.3),
    "content_filter": Failure(
        "BadRequestError", 400, "The response was filtered by the content management policy", 0.06,
        0.8,
    ),
    "invalid_request": Failure("BadRequestError", 400, "Invalid request: unknown field", 0.04, 0.2),
    "context_length": Failure(
        "BadRequestError", 400, "This model's maximum context length is 128000 tokens", 0.03, 0.3
    ),
    "cancelled": Failure("CancelledError", None, "The client has gone", 0.03),
    "auth": Failure("AuthenticationError", 401, "Incorrect API key provided", 0.0, 0.1),
    "quota": Failure("RateLimitError", 429, "You exceeded your current quota", 0.0, 0.1),
}  # fmt: skip
"""By the exporter's `error_type`."""
