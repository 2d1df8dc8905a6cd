"""One trace while it happens: spans are added one after the other, then moved to where it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from ..otlp.records import Attributes, RawEvent, RawLog, RawSpan, Resource, Scope
from .effects import Effects
from .failures import Failure
from .world import Prompt, Service

INTERNAL, SERVER, CLIENT = 1, 2, 3
"""OTLP span kinds."""

EVALUATION = "gen_ai.evaluation.result"


@dataclass(frozen=True, slots=True)
class Place:
    """One application in one environment."""

    service: Service
    environment: str
    resource: Resource
    scope: Scope


@dataclass(frozen=True, slots=True)
class Later:
    """A log record that comes some time after the trace that it is about."""

    log: RawLog
    after_s: float
    """Seconds after the trace ended; `log.time_ns` is set when that is known."""


@dataclass(slots=True)
class Scene:
    """What one request to one application makes its instrumentation say."""

    place: Place
    random: Random
    effects: Effects
    """Of all but calls to models."""
    effects_of: Callable[[str], Effects]
    """Of calls to a provider."""
    trace_id: bytes
    feature: str
    prompt: Prompt
    version: str
    spans: list[RawSpan] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)
    """Results and ratings, in no order of time."""
    judged_after_s: float | None = None
    """When a model judged the answer, seconds after the trace ended; None: it did not."""
    now_ns: int = 0
    """Time since the beginning of the trace."""
    _open: list[RawSpan] = field(default_factory=list)

    @property
    def service(self) -> Service:
        """Whose trace it is."""
        return self.place.service

    def chance(self, probability: float) -> bool:
        """Whether something happens this time."""
        return self.random.random() < probability

    def around(self, median: float, spread: float = 0.3) -> float:
        """A positive number near another, with the long tail that real ones have."""
        return median * self.random.lognormvariate(0.0, spread)

    def span(
        self,
        name: str,
        attrs: Attributes,
        seconds: float,
        *,
        kind: int = INTERNAL,
        failure: Failure | None = None,
        events: tuple[RawEvent, ...] = (),
    ) -> RawSpan:
        """Add what happens next, within the innermost open span."""
        span = self._begin(name, attrs, kind)
        span.events = events
        self.now_ns += int(seconds * 1e9)
        self._end(span, failure)
        return span

    @contextmanager
    def within(self, name: str, attrs: Attributes, kind: int = INTERNAL) -> Iterator[RawSpan]:
        """Put what happens next into a span of its own."""
        span = self._begin(name, attrs, kind)
        self._open.append(span)
        yield span
        self._open.pop()
        self._end(span, None)

    def log(self, event: str, attrs: Attributes, about: RawSpan | None, after_s: float) -> None:
        """Add a log record that comes later; it names a span, or only this trace."""
        log = RawLog(
            time_ns=0,
            trace_id=about.trace_id if about is not None else self.trace_id,
            span_id=about.span_id if about is not None else b"",
            event_name=event,
            severity=9,
            body="",
            attrs=attrs,
            resource=self.place.resource,
            scope=self.place.scope,
            fingerprint=self.random.randbytes(16),
        )
        self.later.append(Later(log, after_s))

    def ends_at(self, end_ns: int) -> None:
        """Move everything so that the trace ends at a moment, Unix nanoseconds."""
        begin_ns = end_ns - self.now_ns
        for span in self.spans:
            span.start_ns += begin_ns
            span.end_ns += begin_ns
            for event in span.events:
                event.time_ns += begin_ns

    def _begin(self, name: str, attrs: Attributes, kind: int) -> RawSpan:
        span = RawSpan(
            trace_id=self.trace_id,
            span_id=self.random.randbytes(8),
            parent_span_id=self._open[-1].span_id if self._open else b"",
            name=name,
            kind=kind,
            start_ns=self.now_ns,
            end_ns=self.now_ns,
            status_code=0,
            status_message="",
            trace_state="",
            attrs={**attrs, "feature": self.feature},
            events=(),
            resource=self.place.resource,
            scope=self.place.scope,
        )
        self.spans.append(span)
        return span

    def _end(self, span: RawSpan, failure: Failure | None) -> None:
        span.end_ns = self.now_ns
        if failure is not None:
            span.status_code, span.status_message = 2, failure.message
            span.attrs["error.type"] = failure.error_type
            if failure.status is not None:
                span.attrs["http.response.status_code"] = failure.status
