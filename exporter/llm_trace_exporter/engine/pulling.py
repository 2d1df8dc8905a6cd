"""Pages that were read from stores: counted, and moved on from, in one commit."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from ..consumer import ANYONE, PageReader, Tenant
from ..correlation import Memory as Usage
from ..correlation import Part, Saved, merged
from ..correlation.score_ledger import ScoreLedger
from ..dialects import ParserPool
from ..metrics.source_metrics import SourceMetrics
from ..otlp.records import RawSpan
from ..pulled import Progress, PulledPage
from ..storage import Entry, Memory
from .explaining import NotingParser, arrivals_of
from .ingest import Ingester

_logger = logging.getLogger(__name__)


class PullingIngester(Ingester):
    """Also implements `consumer.PageConsumer`; safe to call from several threads."""

    def __init__(
        self, *rooms: Any, sources: SourceMetrics, max_pulled: int, **options: Any
    ) -> None:
        """As an `Ingester`.

        Args:
            rooms: What that takes.
            sources: Where it is counted what was read.
            max_pulled: Scores and spans that are remembered.
            options: What that takes.
        """
        super().__init__(*rooms, **options)
        self._sources = sources
        self._ledger = ScoreLedger(max_pulled, tracks=self._journal is not None)
        self._overlapping: set[str] = set()

    def progress(self, book: str) -> Progress | None:
        """How far a source came in a project; never beyond now."""
        with self._writing:
            if self._ledger.take_back(book, self._wall_clock_ns()):
                _logger.warning("source %s: the clock was ahead; it reads on from now", book)
            return self._ledger.progress(book)

    def keep_books(self, books: Iterable[str], max_pulled: int) -> None:
        """Go on with these sources and projects, and forget what was read of others."""
        with self._writing:
            self._ledger.limit = max_pulled
            self._ledger.keep(books)

    def ingest_page(self, read: PageReader, tenant: Tenant = ANYONE) -> PulledPage:
        """Count a page, and move on with it.

        Raises: Overloaded when that cannot be written, or what `read` does; nothing was counted.
        """
        readers, now_ns = self._readers, self._wall_clock_ns()
        page = read(readers.of(tenant.labels).context, now_ns)
        with self._writing:
            if readers is self._readers:
                self._take(page, readers, tenant, now_ns)
                return page
        return self.ingest_page(read, tenant)

    def _take(self, page: PulledPage, readers: ParserPool, tenant: Tenant, now_ns: int) -> None:
        decided = self._ledger.decide(page)
        fresh = [span for span in decided.spans if not self._came_otherwise(span)]
        log, reasons = self._aggregator.decisions, list[str]()
        reader = readers.of(tenant.labels)
        noting = NotingParser(reader, log) if log is not None else None
        spans = self.arrivals.read(fresh, (noting or reader).span, reasons)
        overlap = len(decided.spans) - len(fresh)
        if overlap and page.source not in self._overlapping:
            self._overlapping.add(page.source)
            _logger.warning("source %s: its calls are sent as well; read `scores`", page.source)
        pull = replace(decided.pull, overlap=overlap)
        entry = Entry(
            self._clock(), "pull", tuple(spans), tuple(decided.records),
            invalid=len(reasons), wall_ns=now_ns, pull=pull,
        )  # fmt: skip
        if spans or decided.records or self._ledger.changes_anything(pull):
            self._commit(entry)
        with self._lock:
            if noting is not None:
                noting.hand_in(reasons)
            self._apply(entry)

    def _came_otherwise(self, span: RawSpan) -> bool:
        """Whether a call of it was counted that was sent, also long ago."""
        return self._correlator.subjects.of_span(span.trace_id, span.span_id) is not None

    def _apply(self, entry: Entry) -> None:
        if entry.pull is not None and self._aggregator.decisions is not None:
            self._aggregator.decisions.received(arrivals_of(entry.logs))
        super()._apply(entry)
        if entry.pull is not None:
            self._ledger.apply(entry.pull)
            self._sources.pulled(entry.pull)

    def save(self, *, every: bool) -> Saved:
        """What is remembered, packed: what changed since the last time, or all of it."""
        return merged((super().save(every=every), self._ledger.save(every=every)))

    def remember(self, part: Memory, ahead_s: float) -> None:
        """Remember what an earlier process did; the parts in their order, then `restored`."""
        if not self._ledger.restore(Part(part.name, part.entries, part.value)):
            super().remember(part, ahead_s)

    def _memories(self) -> dict[str, Usage]:
        ledger = self._ledger
        return super()._memories() | {"pulled": Usage(len(ledger), ledger.limit, ledger.evicted)}
