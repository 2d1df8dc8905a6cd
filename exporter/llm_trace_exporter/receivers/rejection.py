"""Requests that get an error for an answer, and which error it is."""

from __future__ import annotations

import logging
import traceback

from ..consumer import RejectionReason
from ..errors import DecodeError, ExporterError, Overloaded
from ..otlp.compression import TooLarge, UnsupportedEncoding

_log = logging.getLogger(__name__)


class Refusal(ExporterError):
    """A request that is answered with an error of this reason.

    `message` is for the sender's developers and holds no values from the request; `challenge` says
    which credentials are asked for, as WWW-Authenticate does.
    """

    def __init__(
        self, reason: RejectionReason, message: str, retry_after_s: int = 0, challenge: str = ""
    ) -> None:
        super().__init__(message)
        self.reason: RejectionReason = reason
        self.message = message
        self.retry_after_s = retry_after_s
        self.challenge = challenge


def refusal_of(error: Exception) -> Refusal:
    """The answer to a request that failed with `error`; what is unexpected is logged."""
    match error:
        case Refusal():
            return error
        case TooLarge():
            return Refusal("too_large", str(error))
        case UnsupportedEncoding():
            return Refusal("unsupported_encoding", str(error))
        case DecodeError():
            return Refusal("malformed", str(error))
        case Overloaded():
            return Refusal("overloaded", str(error), max(1, error.retry_after_s))
        case TimeoutError():
            return Refusal("timeout", "the body did not arrive in time")
        case _:
            pass
    # Where it comes from, without its text: that may quote the request.
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("export failed: %s\n%s", type(error).__name__, frames)
    return Refusal("internal", "internal error")
