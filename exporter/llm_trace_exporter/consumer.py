"""The contract between what brings traces and scores and what counts them.

Receivers, the built-in judges, the replay of files, and whatever is added, need this module and
nothing of what is behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from .dialects import Context
from .model import ParsedRecord, Verdict
from .otlp.records import Encoding, RawLog, RawSpan, SignalName
from .pulled import Progress, PulledPage

Source = Literal["otlp_http", "otlp_grpc", "scores", "file", "pull", "in_process"]
"""What brought a request: the label `source`."""

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


@dataclass(frozen=True, slots=True)
class Scores:
    """What the results and ratings of one request say."""

    records: tuple[ParsedRecord, ...]
    ids: tuple[str, ...]
    """Ids of the items that are taken, in order, as their senders know them."""
    rejected: tuple[tuple[int, str], ...]
    """(index of an item, why it is left out)."""
    names: tuple[str, ...] = ()
    """The member `id` of every item, rejected or not."""


ScoreParser = Callable[[Context, int], Scores]
"""(configuration in force, Unix nanoseconds now) -> what was sent."""


PageReader = Callable[[Context, int], PulledPage]
"""(configuration in force, Unix nanoseconds now) -> what a store answered."""


class PageConsumer(Protocol):
    """Takes what is read from stores."""

    def progress(self, book: str) -> Progress | None:
        """How far a source came in a project; None where it has not begun."""
        ...

    def ingest_page(self, read: PageReader, tenant: Tenant = ANYONE) -> PulledPage:
        """Count a page, and move on with it: both are committed, or neither.

        `read` may be called again where the configuration is replaced meanwhile.

        Returns: The page as it was read.

        Raises: Overloaded; whatever `read` does.
        """
        ...


class RequestConsumer(Protocol):
    """Takes whole requests as they came."""

    def ingest_request(
        self,
        signal: SignalName,
        encoding: Encoding,
        body: bytes,
        source: Source,
        tenant: Tenant = ANYONE,
    ) -> Outcome:
        """Take one serialised OTLP request.

        Raises: DecodeError where `body` is not the message, Overloaded.
        """
        ...


class Consumer(RequestConsumer, Protocol):
    """Counts whole requests; called from worker threads, possibly several at once.

    Each method returns when the request is counted and committed, and raises Overloaded, with
    nothing counted, where it is to be handed in again later.
    """

    def ingest_records(
        self,
        spans: Sequence[RawSpan],
        logs: Sequence[RawLog],
        source: Source,
        tenant: Tenant = ANYONE,
    ) -> Outcome:
        """Count spans and log records that are decoded already.

        Raises: Overloaded.
        """
        ...

    def ingest_scores(self, parse: ScoreParser, tenant: Tenant = ANYONE) -> Scores:
        """Count results and ratings in another format than OTLP.

        `parse` may be called again where the configuration is replaced meanwhile.

        Raises: Overloaded; whatever `parse` does.
        """
        ...

    def ingest_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Count what judges within the exporter found.

        Raises: Overloaded.
        """
        ...

    def count_rejection(self, source: Source, reason: RejectionReason) -> None:
        """Count a request that was answered with an error, DecodeError and Overloaded included.

        Called from event loops: must return at once.
        """
        ...
