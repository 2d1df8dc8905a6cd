"""The seam between the receivers and the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

SignalName = Literal["traces", "logs", "metrics"]
Encoding = Literal["protobuf", "json"]
Source = Literal["otlp_http", "otlp_grpc", "scores", "file"]

RejectionReason = Literal[
    "aborted",
    "internal",
    "malformed",
    "method",
    "overloaded",
    "path",
    "rate_limited",
    "timeout",
    "too_large",
    "unauthenticated",
    "unsupported_encoding",
    "unsupported_media_type",
]
"""Why a request was answered with an error; `aborted`: the client left before its body ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an accepted request."""

    rejected: int = 0
    """Spans or log records that were left out."""
    message: str = ""
    """Why, for the sender's developers; no values from the request."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose request it is, as its credentials prove."""

    name: str = ""
    """Name of the token; empty where none is asked for."""
    labels: tuple[tuple[str, str], ...] = ()
    """(label, value) that all its records have, whatever they say themselves."""


ANYONE = Tenant()
"""Whoever sends, where no credentials are asked for."""


class Consumer(Protocol):
    """Takes whole requests; called from worker threads, possibly several at once."""

    def ingest_request(
        self,
        signal: SignalName,
        encoding: Encoding,
        body: bytes,
        source: Source,
        tenant: Tenant = ANYONE,
    ) -> Outcome:
        """Apply one request; returning means that it is counted and committed.

        Raises: DecodeError where `body` is not the message, Overloaded to be asked again later.
        """
        ...

    def count_rejection(self, source: Source, reason: RejectionReason) -> None:
        """Count a request that was answered with an error, DecodeError and Overloaded included.

        Called from event loops: must return at once.
        """
        ...
