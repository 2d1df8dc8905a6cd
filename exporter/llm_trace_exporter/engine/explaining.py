"""From what is read and counted to what is explained of it: names and numbers, no values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ..dialects import DIALECTS, RecordParser
from ..dialects.parser import event_name
from ..errors import RejectedRecord
from ..explain import Arrival, Charge, DecisionLog
from ..metrics.label_policy import clean_value
from ..model import LlmCall, ParsedRecord, Signal, Step
from ..otlp.records import RawLog, RawSpan
from ..settled import PricedCall

_DIALECTS = {dialect.name: dialect for dialect in DIALECTS}


class NotingParser:
    """Reads like a parser, and notes of each record what it is called and how it was read."""

    def __init__(self, parser: RecordParser, log: DecisionLog) -> None:
        """Note nothing yet; what is noted is for `log`."""
        self._parser = parser
        self._log = log
        self._arrivals: list[Arrival] = []
        self._rejections: list[str] = []

    def span(self, span: RawSpan) -> ParsedRecord:
        """Everything one span says.

        Raises: RejectedRecord when a number on it cannot be true.
        """
        try:
            reading = self._parser.span(span)
        except RejectedRecord as error:
            self._reject(span, "span", span.name, span.start_ns, error.reason)
            raise
        self._arrivals.append(arrival_of(reading, span.name, span.start_ns))
        return reading

    def log(self, log: RawLog) -> ParsedRecord:
        """Everything one log record says.

        Raises: RejectedRecord when a number on it cannot be true.
        """
        try:
            reading = self._parser.log(log)
        except RejectedRecord as error:
            self._reject(log, "log", _name_of(log, ""), log.time_ns, error.reason)
            raise
        self._arrivals.append(arrival_of(reading, _name_of(log, reading.dialect), log.time_ns))
        return reading

    def hand_in(self, reasons: Sequence[str]) -> None:
        """Tell of the records of a request, under the lock under which they are counted.

        Args:
            reasons: Why records were rejected, those that were never handed to a parser included.
        """
        self._log.received(self._arrivals)
        self._log.rejected((Counter(reasons) - Counter(self._rejections)).elements())

    def _reject(
        self, record: RawSpan | RawLog, signal: Signal, name: str, start_ns: int, reason: str
    ) -> None:
        parent_id = record.parent_span_id if isinstance(record, RawSpan) else b""
        fingerprint = record.fingerprint if isinstance(record, RawLog) else b""
        ids = (record.trace_id, record.span_id, parent_id, fingerprint)
        self._rejections.append(reason)
        self._arrivals.append(
            Arrival(
                *ids, signal, clean_value(name), start_ns, dialect="",
                state="discarded", reason="invalid", detail=clean_value(reason),
            )
        )  # fmt: skip


def arrivals_of(scores: Iterable[ParsedRecord]) -> Iterator[Arrival]:
    """Results and ratings that came on a route of their own."""
    return (arrival_of(reading, "score", 0) for reading in scores)


def arrival_of(reading: ParsedRecord, name: str, start_ns: int) -> Arrival:
    """A record as it was read."""
    record = next((r for r in reading.records if isinstance(r, LlmCall)), None) or next(
        (r for r in reading.records if isinstance(r, Step)), None
    )
    has_step = isinstance(record, LlmCall) and any(isinstance(r, Step) for r in reading.records)
    results = sum(not isinstance(r, LlmCall | Step) for r in reading.records)
    return Arrival(
        reading.trace_id,
        reading.span_id,
        reading.parent_span_id,
        reading.fingerprint,
        reading.signal,
        clean_value(name),
        start_ns,
        reading.dialect,
        reading.role,
        kind=clean_value(_kind_of(record)),
        kind_of="" if record is None else "call" if isinstance(record, LlmCall) else "step",
        written=reading.reported_tokens,
        results=results,
        has_step=has_step,
        state="results" if record is None and results else "waiting",
    )


def charge_of_call(priced: PricedCall, capped: tuple[str, ...]) -> Charge:
    """What a call added."""
    call = priced.call
    return Charge(
        clean_value(call.operation),
        clean_value(priced.provider),
        clean_value(priced.model),
        call.tokens,
        priced.cost,
        priced.unpriced or "",
        priced.unpriced_tokens,
        tuple(name for name, _ in priced.assumptions),
        capped,
        call.purpose,
        call.error_type,
        call.weight,
    )


def charge_of_step(step: Step) -> Charge:
    """What a step added: time, and no more."""
    return Charge(step.kind, error_type=step.error_type, weight=step.weight)


def _kind_of(record: LlmCall | Step | None) -> str:
    if record is None:
        return ""
    return record.operation if isinstance(record, LlmCall) else record.kind


def _name_of(log: RawLog, dialect: str) -> str:
    """The name of a log record's event: the record's own, or one that its dialect knows."""
    known = _DIALECTS.get(dialect)
    return clean_value((event_name(log, known) if known else "") or log.event_name) or "log record"
