"""From what a store tells to what is counted: verdicts and ratings under the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..dialects import WANTED_PATTERN, Context, Score, wanted_keys
from ..model import Feedback, ParsedRecord, Verdict
from ..otlp.attributes import KeyFilter
from ..pulled import Complete, Progress, PulledPage, PulledScore, Said
from ..score_items import to_record
from .restore_spans import restored
from .rows import each, print_of
from .system import Page, Told, Walk


@dataclass(frozen=True, slots=True)
class Case:
    """One result of an offline run."""

    run: str
    suite: str
    judge: str
    verdict: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the pages of one walk."""

    source: str
    book: str
    dialect: str
    service: str
    """Whose the calls are, where the store does not say."""
    walk: Walk

    def page(self, page: Page, progress: Progress, context: Context, now_ns: int) -> PulledPage:
        """A page as it is counted."""
        production = [told for told in page.scores if not told.run]
        found, odd = each(lambda told: self._score(told, context, now_ns), production)
        scores = tuple(score for score in found if score is not None)
        keys = KeyFilter(wanted_keys(context), WANTED_PATTERN) if page.spans else None
        keep = keys.keep if keys is not None else bool
        spans, odd_spans = each(lambda span: restored(span, keep), page.spans)
        for span in spans:
            if self.service:
                span.resource.attrs.setdefault("service.name", self.service)
        return PulledPage(
            self.source,
            self.book,
            progress,
            self.walk.until_ns,
            page.rows,
            scores,
            tuple(span for span in spans if span.trace_id and span.span_id),
            self._complete(page),
            page.unread + odd + odd_spans,
        )

    def cases(self, page: Page, context: Context, now_ns: int) -> Iterable[Case]:
        """The results of offline runs on a page."""
        for told in page.scores:
            if not told.run:
                continue
            record = _record(to_record(told.item, self.dialect, "", context, now_ns, b""))
            if isinstance(record, Verdict):
                yield Case(
                    told.run,
                    told.suite or self.walk.project,
                    record.judge,
                    record.verdict,
                    record.time_ns,
                )

    def _score(self, told: Told, context: Context, now_ns: int) -> PulledScore | None:
        item = told.item
        if not item.service:
            item = replace(item, service=self.service)
        if told.is_empty:
            item = replace(item, result=replace(item.result, failed=True))
        reading = to_record(item, self.dialect, "", context, now_ns, b"")
        record = _record(reading)
        if record is None:
            return None
        is_verdict = isinstance(record, Verdict)
        said: Said = record.verdict if isinstance(record, Verdict) else record.rating
        target, key = told.identity
        return PulledScore(
            target=target,
            key=key,
            judge=record.judge if isinstance(record, Verdict) else record.source,
            kind=record.kind if isinstance(record, Verdict) else "human",
            time_ns=item.time_ns or now_ns,
            target_ns=told.target_ns or item.time_ns or now_ns,
            value=_value_of(told),
            said=said if told.is_valid else "invalid",
            record=reading,
            # A rating without a value says nothing, and nobody broke.
            is_empty=told.is_empty and is_verdict,
        )

    def _complete(self, page: Page) -> Complete | None:
        if not (page.complete or page.complete_window):
            return None
        seen = page.seen | {one.identity for one in page.scores}
        if page.complete:
            return Complete(seen, frozenset(print_of((one,)) for one in page.complete))
        return Complete(seen, since_ns=self.walk.since_ns, until_ns=self.walk.until_ns)


def _record(reading: ParsedRecord | None) -> Verdict | Feedback | None:
    record = reading.records[0] if reading is not None and reading.records else None
    return record if isinstance(record, Verdict | Feedback) else None


def _value_of(told: Told) -> bytes:
    result = told.item.result
    return print_of(
        (result.label, *_parts_of(result.score), str(result.failed), str(told.is_valid))
    )


def _parts_of(score: Score) -> Iterable[str]:
    return str(score.number), score.word, str(score.is_share), str(score.is_broken)
