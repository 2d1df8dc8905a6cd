"""What each span and log record says by itself, and what of a capture nobody understands.

Nothing is counted: which of the calls that are read here count, is decided with their whole trace
in sight.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..consumer import ANYONE, Outcome, Source, Tenant
from ..content import filters, span_filter
from ..dialects import Context, RecordParser
from ..dialects.open_names import kind_keys_of, places_of
from ..errors import RejectedRecord
from ..model import LlmCall, ParsedRecord, Step
from ..otlp.attributes import KeyFilter
from ..otlp.decode import content_of, logs_of, spans_of
from ..otlp.records import Encoding, RawLog, RawSpan, SignalName
from .own_conventions import USAGE_FACTS

TELLING = frozenset((*USAGE_FACTS, "request_model", "response_model"))
"""Facts of which one makes a span look like an LLM's."""
_NAME = re.compile(r"[^#\x00-\x20]{1,256}")
"""Attributes that a configuration can name."""
_NOT_READ = ("not_llm", "unknown_kind")
_MAX_SCOPES, _MAX_NAMES = 100, 200


@dataclass(frozen=True, slots=True)
class Reading:
    """What one record says by itself."""

    scope: str
    name: str
    """The span's, or the log event's."""
    dialect: str
    kind: str
    """The operation of a call, the kind of a step, its role, or why it says nothing."""
    provider: str = ""
    model: str = ""
    """The one that answered, else the one that was asked for."""
    tokens: tuple[tuple[str, int], ...] = ()
    """Disjoint types, those with tokens only."""


@dataclass(slots=True)
class Unread:
    """Spans of one scope that look like an LLM's and that no convention understands."""

    scope: str
    name: str
    """Of the first of these spans."""
    spans: int = 0
    kinds: list[str] = field(default_factory=list)
    """Names of attributes that may say what a span is."""
    facts: dict[str, list[str]] = field(default_factory=dict)
    """Fact to the names of attributes that look like it."""
    others: list[str] = field(default_factory=list)
    """Names of further attributes."""

    def add(self, attrs: Iterable[str]) -> None:
        """One more such span, by the names of its attributes."""
        self.spans += 1
        names = list(attrs)
        _extend(self.kinds, kind_keys_of(names, ()))
        for fact, places in places_of(names, self.kinds).items():
            _extend(self.facts.setdefault(fact, []), (place.attr for place in places))
        seen = {*self.kinds, *(name for keys in self.facts.values() for name in keys)}
        _extend(self.others, (name for name in names if name not in seen))


class Readings:
    """Takes requests as a `consumer.RequestConsumer` and counts nothing."""

    def __init__(self, context: Context, emit: Callable[[Reading], None]) -> None:
        """Read under a configuration, and hand out what is read of each record."""
        self._parser = RecordParser(context)
        self._own = frozenset(dialect.name for dialect in context.conventions)
        self._emit = emit
        # With what it was decoded from, to look at the names of whatever else is on it.
        self._span_keys = span_filter(context, with_texts=True)
        self._log_keys = filters(context, with_texts=False)[1]
        self._every_key = KeyFilter((), _NAME, fleeting=lambda _: True)
        self._unread: dict[str, Unread] = {}

    @property
    def unread(self) -> list[Unread]:
        """What was not understood, the scope with most spans first."""
        return sorted(self._unread.values(), key=lambda found: -found.spans)

    def ingest_request(
        self,
        signal: SignalName,
        encoding: Encoding,
        body: bytes,
        source: Source,  # noqa: ARG002
        tenant: Tenant = ANYONE,  # noqa: ARG002
    ) -> Outcome:
        """Read one request.

        Raises: DecodeError where `body` is not the message.
        """
        rejected: list[str] = []
        if signal == "traces":
            for span in spans_of(body, self._span_keys, rejected, encoding):
                self._span(span)
        elif signal == "logs":
            for log in logs_of(body, self._log_keys, rejected, encoding):
                self._log(log)
        return Outcome(len(rejected))

    def _span(self, span: RawSpan) -> None:
        try:
            parsed = self._parser.span(span)
        except RejectedRecord as error:
            self._emit(Reading(span.scope.name, span.name, "", f"rejected: {error}"))
            return
        if parsed.drop not in _NOT_READ or parsed.dialect in self._own:
            self._emit(_reading(span.scope.name, span.name, parsed))
            return
        names = list(content_of(span, self._every_key)[0] or span.attrs)
        if TELLING & places_of(names, ()).keys():
            self._unread_in(span).add(names)

    def _log(self, log: RawLog) -> None:
        try:
            parsed = self._parser.log(log)
        except RejectedRecord as error:
            self._emit(Reading(log.scope.name, log.event_name, "", f"rejected: {error}"))
            return
        if parsed.drop != "not_llm":
            self._emit(_reading(log.scope.name, log.event_name, parsed))

    def _unread_in(self, span: RawSpan) -> Unread:
        # Whoever names scopes by the request fills no memory: what is beyond is one of them.
        scope = span.scope.name
        if scope not in self._unread and len(self._unread) >= _MAX_SCOPES:
            scope = next(reversed(self._unread))
        return self._unread.setdefault(scope, Unread(scope, span.name))


def _extend(known: list[str], names: Iterable[str]) -> None:
    for name in names:
        if name not in known and len(known) < _MAX_NAMES:
            known.append(name)


def _reading(scope: str, name: str, parsed: ParsedRecord) -> Reading:
    call = next((record for record in parsed.records if isinstance(record, LlmCall)), None)
    if call is None:
        return Reading(scope, name, parsed.dialect, _kind(parsed))
    tokens = call.tokens.by_type() if call.tokens is not None else ()
    return Reading(
        scope,
        name,
        parsed.dialect,
        f"{call.operation}, by evidence" if parsed.precedence == "evidence" else call.operation,
        call.provider,
        call.response_model or call.request_model,
        tuple((kind, count) for kind, count in tokens if count),
    )


def _kind(parsed: ParsedRecord) -> str:
    """What a record is that tells no call."""
    if parsed.drop:
        return f"nothing: {parsed.drop}"
    step = next((record for record in parsed.records if isinstance(record, Step)), None)
    if step is not None:
        return step.kind
    if parsed.records:
        return "verdict"
    return "evaluator" if parsed.role == "evaluator" else "structure"
