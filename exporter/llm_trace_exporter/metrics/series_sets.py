"""Bundles: the series that one label set of one kind of record needs, bound once.

Finding a series means cleaning, capping and joining a dozen label values. Records repeat their
label sets, so the recorder keeps a bundle per set: one look-up, then additions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from ..remembered import Remembered
from .catalogue import QUALITY, REQUEST, ROUTE, STEP, TRACE
from .series import Counter, Gauge, Histogram
from .store import FamilySeries, Store

MAX_BUNDLES = 16_384
"""Label sets remembered per kind of record, where a family may not have more series; as many of
those that the caps changed. A flood of new ones costs time, not memory."""

MAX_KEY_CHARS = 2048
"""Longer label sets (before cleaning) are served but not remembered."""

MAX_CHILDREN = 1024

NO_LABELS = ()
"""The key of a family that has no labels of its own beyond the bundle's."""

ALL_ENDINGS = (("ok", ""), ("error", "other"))
"""Born together: a ratio of errors is then 0 and not absent before the first error."""

ALL_VERDICTS = (("pass",), ("fail",), ("error",), ("unscored",))
ALL_RATINGS = ("positive", "negative")

Dimensions: TypeAlias = tuple[str, ...]
S = TypeVar("S", Counter, Gauge, Histogram)


class Bundle(Protocol):
    """What one label set of one kind of record needs."""

    @property
    def overflows(self) -> tuple[Counter, ...]:
        """Counters of the labels that the caps replaced."""
        ...

    @property
    def co_created(self) -> tuple[Counter, ...]:
        """Series that appear and expire together."""
        ...


B = TypeVar("B", bound=Bundle)


class SeriesByLabels(dict[tuple[str, ...], S], Generic[S]):
    """The series of one family under one bundle's labels, by the family's own labels."""

    __slots__ = ("_family", "_head", "_tail")

    def __init__(
        self,
        family: FamilySeries[S],
        head: tuple[str, ...] = (),
        tail: tuple[str, ...] = (),
    ) -> None:
        """Bind a family to the label values before and after its own."""
        super().__init__()
        self._family: FamilySeries[S] = family
        self._head = head
        self._tail = tail

    def __missing__(self, own: tuple[str, ...]) -> S:
        """Bind the series of one set of own label values."""
        if len(self) >= MAX_CHILDREN:
            self.clear()
        series: S = self._family.get(self._head + own + self._tail)
        self[own] = series
        return series


class Labeller:
    """Turns raw label values into shown ones, and says what the caps replaced."""

    def __init__(self, store: Store) -> None:
        """Use the store's label policy and count what it replaces."""
        self.store = store
        self._overflows: SeriesByLabels[Counter] = SeriesByLabels(
            store.counters("llm_exporter_label_overflow_total")
        )
        store.watch(self._overflows.clear)

    def admit(
        self, labels: tuple[str, ...], values: tuple[str, ...]
    ) -> tuple[tuple[str, ...], list[Counter]]:
        """Return the values to show and the counters of the labels that overflowed."""
        shown, over = self.store.policy.admit_all(labels, values)
        return shown, [self._overflows[(label,)] for label in over]

    def dimensions(self, values: Dimensions) -> tuple[Dimensions, list[Counter]]:
        """Return one value per configured dimension, like `admit`.

        A record read before a reload can have more or fewer of them than are configured now.
        """
        names = tuple(d.label for d in self.store.options.dimensions)
        fitted = (*values, *("",) * len(names))[: len(names)]
        return self.admit(names, fitted)


class SeriesCache(Generic[B]):
    """Bundles by raw label set: forgotten when the store drops series, and bounded.

    What is shown is bounded by the store, so there is room for all of it, next to the series
    themselves. What the caps changed is not, and is kept apart: it pushes out none of the others.
    """

    def __init__(self, store: Store, build: Callable[..., B]) -> None:
        """Take what makes a bundle from the parts of a key."""
        self.by_key: Remembered[tuple[str | Dimensions, ...], B] = Remembered(MAX_BUNDLES)
        """For the fast path: look here first, then `make`."""
        self._capped: Remembered[tuple[str | Dimensions, ...], B] = Remembered(MAX_BUNDLES)
        self._store = store
        self._build = build
        self._forget()
        store.watch(self._forget)

    def _forget(self) -> None:
        self.by_key.clear()
        self._capped.clear()
        self.by_key.limit = max(MAX_BUNDLES, self._store.options.max_series_per_family)

    def make(self, key: tuple[str | Dimensions, ...]) -> B:
        """Find the bundle of a label set that the caps changed, or build it and remember it."""
        found = self._capped.get(key)
        if found is not None:
            return found
        bundle = self._build(*key)
        if sum(len(p) if isinstance(p, str) else sum(map(len, p)) for p in key) <= MAX_KEY_CHARS:
            (self._capped if bundle.overflows else self.by_key).keep(key, bundle)
        return bundle


_CALL_COUNTERS: Mapping[str, str] = {
    "requests": "llm_requests_total",
    "tokens": "llm_tokens_total",
    "cost": "llm_cost_usd_total",
    "unpriced": "llm_unpriced_requests_total",
    "repriced": "llm_repriced_requests_total",
    "unpriced_tokens": "llm_unpriced_tokens_total",
    "assumptions": "llm_price_assumptions_total",
    "assumed_cost": "llm_assumed_cost_usd_total",
    "finish": "llm_finish_reasons_total",
    "gateway": "llm_gateway_events_total",
}
_CALL_HISTOGRAMS: Mapping[str, str] = {
    "duration": "llm_request_duration_seconds",
    "ttft": "llm_request_time_to_first_token_seconds",
    "per_token": "llm_request_time_per_output_token_seconds",
    "input_tokens": "llm_request_input_tokens",
    "output_tokens": "llm_request_output_tokens",
    "cost_per_call": "llm_request_cost_usd",
}


class CallSeries:
    """Series of the calls of one label set; those of a family are bound when the first is asked."""

    __slots__ = (
        "_head",
        "_store",
        "_tail",
        "co_created",
        "overflows",
        *_CALL_COUNTERS,
        *_CALL_HISTOGRAMS,
    )

    requests: SeriesByLabels[Counter]
    tokens: SeriesByLabels[Counter]
    cost: SeriesByLabels[Counter]
    unpriced: SeriesByLabels[Counter]
    repriced: SeriesByLabels[Counter]
    unpriced_tokens: SeriesByLabels[Counter]
    assumptions: SeriesByLabels[Counter]
    assumed_cost: SeriesByLabels[Counter]
    finish: SeriesByLabels[Counter]
    gateway: SeriesByLabels[Counter]
    duration: SeriesByLabels[Histogram]
    ttft: SeriesByLabels[Histogram]
    per_token: SeriesByLabels[Histogram]
    input_tokens: SeriesByLabels[Histogram]
    output_tokens: SeriesByLabels[Histogram]
    cost_per_call: SeriesByLabels[Histogram]

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        provider: str,
        model: str,
        operation: str,
        purpose: str,
        dimensions: Dimensions,
    ) -> None:
        """Bind."""
        values = (service, environment, provider, model, operation)
        shown, over = labeller.admit(REQUEST[:-1], values)
        self._store, self._head = labeller.store, (*shown, purpose)
        self._tail, over_tail = labeller.dimensions(dimensions)
        self.overflows = (*over, *over_tail)
        self.co_created = tuple(self.requests[ending] for ending in ALL_ENDINGS)

    def __getattr__(self, name: str) -> SeriesByLabels[Any]:
        """Bind a family; only asked for what is not bound yet."""
        if (family := _CALL_COUNTERS.get(name)) is not None:
            found: SeriesByLabels[Any]
            found = SeriesByLabels(self._store.counters(family), self._head, self._tail)
        elif (family := _CALL_HISTOGRAMS.get(name)) is not None:
            found = SeriesByLabels(self._store.histograms(family), self._head, self._tail)
        else:
            raise AttributeError(name)
        setattr(self, name, found)
        return found


class RouteSeries:
    """Series of one pair of requested and served model."""

    __slots__ = ("co_created", "overflows", "routed")

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        provider: str,
        request_model: str,
        response_model: str,
    ) -> None:
        """Bind."""
        # The call itself has counted an overflow of the labels that both have.
        route, _ = labeller.admit(ROUTE, (service, environment, provider))
        models = ("request_model", "response_model")
        shown, over = labeller.admit(models, (request_model, response_model))
        self.overflows = tuple(over)
        self.co_created: tuple[Counter, ...] = ()
        self.routed = labeller.store.counters("llm_model_routing_total").get(route + shown)


class StepSeries:
    """Series of the steps of one kind and name."""

    __slots__ = ("checks", "co_created", "documents", "duration", "overflows", "tools", "top_score")

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        kind: str,
        name: str,
        guards: str,
        dimensions: Dimensions,
    ) -> None:
        """Bind; `guards` is non-empty for steps that say what a guardrail did."""
        base, over = labeller.admit(STEP, (service, environment))
        named, over_name = labeller.admit(("name",), (name,))
        tail, over_tail = labeller.dimensions(dimensions)
        tool, over_tool = labeller.admit(("tool",), (name if kind == "tool" else "",))
        guardrail, over_guard = labeller.admit(("guardrail",), (name if guards else "",))
        store = labeller.store
        self.overflows = (*over, *over_name, *over_tail, *over_tool, *over_guard)
        self.duration = SeriesByLabels(
            store.histograms("llm_step_duration_seconds"), (*base, kind, *named), tail
        )
        self.tools = SeriesByLabels(store.counters("llm_tool_calls_total"), base + tool, tail)
        self.documents = SeriesByLabels(
            store.histograms("llm_retrieved_documents"), base + named, tail
        )
        self.top_score = SeriesByLabels(
            store.histograms("llm_retrieval_top_score"), base + named, tail
        )
        self.checks = SeriesByLabels(
            store.counters("llm_guardrail_checks_total"), base + guardrail, tail
        )
        co_created = [self.tools[ending] for ending in ALL_ENDINGS] if kind == "tool" else []
        if guards:
            co_created += [self.checks[("allow",)], self.checks[("block",)]]
        self.co_created = tuple(co_created)


class TraceSeries:
    """Series of the whole traces of one label set."""

    __slots__ = (
        *("cost", "duration", "llm_calls", "overflows", "co_created", "tokens", "tool_calls"),
        "traces",
    )

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        root: str,
        dimensions: Dimensions,
    ) -> None:
        """Bind."""
        head, over = labeller.admit(TRACE, (service, environment, root))
        tail, over_tail = labeller.dimensions(dimensions)
        store = labeller.store
        self.overflows = (*over, *over_tail)
        self.traces = SeriesByLabels(store.counters("llm_traces_total"), head, tail)
        self.duration = SeriesByLabels(store.histograms("llm_trace_duration_seconds"), head, tail)
        self.cost = SeriesByLabels(store.histograms("llm_trace_cost_usd"), head, tail)
        self.llm_calls = SeriesByLabels(store.histograms("llm_trace_llm_calls"), head, tail)
        self.tool_calls = SeriesByLabels(store.histograms("llm_trace_tool_calls"), head, tail)
        self.tokens = SeriesByLabels(store.histograms("llm_trace_tokens"), head, tail)
        self.co_created = tuple(self.traces[(outcome,)] for outcome in ("ok", "error"))


class VerdictSeries:
    """Series of one judge's verdicts on one model."""

    __slots__ = ("co_created", "findings", "lag", "overflows", "score", "verdicts")

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        model: str,
        judge: str,
        kind: str,
        dimensions: Dimensions,
    ) -> None:
        """Bind."""
        head, over = labeller.admit((*QUALITY, "judge"), (service, environment, model, judge))
        tail, over_tail = labeller.dimensions(dimensions)
        store = labeller.store
        self.overflows = (*over, *over_tail)
        self.verdicts = SeriesByLabels(
            store.counters("llm_judge_verdicts_total"), (*head, kind), tail
        )
        self.score = SeriesByLabels(store.histograms("llm_judge_score"), (*head, kind), tail)
        self.lag = SeriesByLabels(store.histograms("llm_judge_lag_seconds"), head, tail)
        self.findings = SeriesByLabels(store.counters("llm_content_findings_total"), head, tail)
        self.co_created = tuple(self.verdicts[verdict] for verdict in ALL_VERDICTS)


class FeedbackSeries:
    """Series of one source of end users' feedback on one model."""

    __slots__ = ("by_rating", "co_created", "overflows")

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        model: str,
        source: str,
        dimensions: Dimensions,
    ) -> None:
        """Bind."""
        head, over = labeller.admit(QUALITY, (service, environment, model))
        filed, over_source = labeller.admit(("source",), (source,))
        tail, over_tail = labeller.dimensions(dimensions)
        self.overflows = (*over, *over_source, *over_tail)
        family = labeller.store.counters("llm_feedback_total")
        self.by_rating = SeriesByLabels(family, head, filed + tail)
        self.co_created = tuple(self.by_rating[(rating,)] for rating in ALL_RATINGS)


class AgreementSeries:
    """Series of one judge's agreement with people."""

    __slots__ = ("by_agreement", "co_created", "overflows")

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        model: str,
        judge: str,
        dimensions: Dimensions,
    ) -> None:
        """Bind."""
        head, over = labeller.admit((*QUALITY, "judge"), (service, environment, model, judge))
        tail, over_tail = labeller.dimensions(dimensions)
        self.overflows = (*over, *over_tail)
        self.by_agreement = SeriesByLabels(
            labeller.store.counters("llm_judge_agreement_total"), head, tail
        )
        self.co_created = tuple(self.by_agreement[(agrees,)] for agrees in ("true", "false"))
