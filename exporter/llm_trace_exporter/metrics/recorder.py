"""From settled records to series: what each record adds to which family.

Every amount is multiplied by the record's weight, the number of records it stands for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

from msgspec.structs import astuple

from ..model import TOKEN_TYPES, Feedback, LlmCall, Origin, Step, Tokens, Verdict
from ..settled import Agreement, PricedCall, TraceSummary
from .catalogue import REQUEST
from .name_profiles import NameProfiles
from .plausibility import duration_of, plausible
from .series import MAX_AMOUNT, TraceRef
from .series_sets import (
    NO_LABELS,
    AgreementSeries,
    B,
    CallSeries,
    FeedbackSeries,
    Labeller,
    RouteSeries,
    SeriesCache,
    StepSeries,
    TraceSeries,
    VerdictSeries,
)
from .store import Store

_TYPE_KEYS = tuple((name,) for name in TOKEN_TYPES)


class Recorder:
    """Counts records; whoever has one counted holds the store's lock."""

    def __init__(
        self,
        store: Store,
        *,
        score_ranges: Mapping[str, tuple[float, float]] | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Count into a store.

        Args:
            store: Where the series are.
            score_ranges: By judge, its scores that mean 0 and 1.
            wall_clock: Unix seconds, for exemplars: they carry the time of counting, because
                Prometheus refuses exemplars of a series that go back in time.
        """
        self._store = store
        self._clock = store.clock
        self._wall_clock = wall_clock
        self._score_ranges = dict(score_ranges or {})
        self._score_ranges_of_dialects: dict[str, tuple[float, float]] = {}
        self._labeller = labeller = Labeller(store)
        self._calls = SeriesCache(store, partial(CallSeries, labeller))
        self._name_profiles = NameProfiles(store, labeller)
        self._routes = SeriesCache(store, partial(RouteSeries, labeller))
        self._steps = SeriesCache(store, partial(StepSeries, labeller))
        self._traces = SeriesCache(store, partial(TraceSeries, labeller))
        self._verdicts = SeriesCache(store, partial(VerdictSeries, labeller))
        self._agreements = SeriesCache(store, partial(AgreementSeries, labeller))
        self._feedback = SeriesCache(store, partial(FeedbackSeries, labeller))

    def judges(
        self,
        score_ranges: Mapping[str, tuple[float, float]],
        score_ranges_of_dialects: Mapping[str, tuple[float, float]],
        baseline_failure_ratios: Mapping[str, float],
    ) -> None:
        """Replace what the configuration says about judges, by judge and by dialect."""
        with self._store.lock:
            self._score_ranges = dict(score_ranges)
            self._score_ranges_of_dialects = dict(score_ranges_of_dialects)
            family = self._store.gauges("llm_judge_baseline_failure_ratio")
            family.series.clear()
            for judge, ratio in baseline_failure_ratios.items():
                shown, _ = self._labeller.admit(("judge",), (judge,))
                family.get(shown).set(ratio, self._clock())

    def call(self, priced: PricedCall) -> None:
        """Count one settled call."""
        call = priced.call
        now_s = self._clock()
        series = self._series_of(priced, now_s)
        weight = _weight(call.weight)
        trace_ref = self._trace_ref(call.origin)
        self._count_latency(call, series, weight, now_s, trace_ref)
        if call.tokens is not None:
            _count_tokens(call.tokens, series, weight, now_s)
        _count_money(priced, series, weight, now_s, trace_ref)
        for reason in call.finish_reasons:
            series.finish[(reason,)].add(weight, now_s)
        for event, times in call.gateway_events:
            series.gateway[(event,)].add(times * weight, now_s)
        # Some tell the model that was asked for as the one that answered, though none did.
        if call.request_model and call.response_model and not call.error_type:
            self._count_route(priced, weight, now_s)
        if self._store.options.profiles:
            self._name_profiles.count(priced, weight, now_s)

    def late_usage(self, before: PricedCall, priced: PricedCall, *, is_first: bool) -> None:
        """Count the usage of a call that was counted without it.

        Args:
            before: The call as it was counted.
            priced: The same with its usage.
            is_first: False where some of its usage came late before.
        """
        call = priced.call
        now_s = self._clock()
        series = self._series_of(priced, now_s)
        weight = _weight(call.weight)
        if call.tokens is not None:
            _count_tokens(call.tokens, series, weight, now_s)
        _count_cost(priced, series, weight, now_s, self._trace_ref(call.origin))
        _count_unpriced_tokens(priced, series, weight, now_s)
        if is_first and before.unpriced is not None and priced.unpriced is None:
            counted = self._series_of(before, now_s)
            counted.repriced[(before.unpriced,)].add(weight, now_s)

    def capped_labels(self, priced: PricedCall) -> tuple[str, ...]:
        """Labels of a counted call whose value is shown as `other`."""
        call, options = priced.call, self._store.options
        origin, dimensions = call.origin, tuple(d.label for d in options.dimensions)
        values = (
            *(origin.service, origin.environment, priced.provider, priced.model, call.operation),
            *origin.dimensions[: len(dimensions)],
        )
        labels = (*REQUEST[:-1], *dimensions)[: len(values)]
        return self._store.policy.admit_all(labels, values)[1]

    def _series_of(self, priced: PricedCall, now_s: float) -> CallSeries:
        call, origin = priced.call, priced.call.origin
        key = (
            origin.service,
            origin.environment,
            priced.provider,
            priced.model,
            call.operation,
            call.purpose,
            origin.dimensions,
        )
        return _series_for(self._calls, key, now_s)

    def _count_latency(
        self,
        call: LlmCall,
        series: CallSeries,
        weight: float,
        now_s: float,
        trace_ref: TraceRef | None,
    ) -> None:
        error = call.error_type
        outcome = "error" if error else "ok"
        series.requests[outcome, error].add(weight, now_s)
        duration_s = plausible(self._store, "call", duration_of(call), now_s)
        if duration_s is None:
            return
        series.duration[(outcome,)].observe(duration_s, weight, now_s, trace_ref)
        if not call.streaming or call.ttft_s is None:
            return
        ttft_s = plausible(self._store, "first_token", call.ttft_s, now_s)
        if ttft_s is None:
            return
        series.ttft[NO_LABELS].observe(ttft_s, weight, now_s)
        intervals = call.tokens.output_all - 1 if call.tokens else 0
        if intervals > 0 and ttft_s <= duration_s:
            per_token_s = (duration_s - ttft_s) / intervals
            series.per_token[NO_LABELS].observe(per_token_s, weight, now_s)

    def _count_route(self, priced: PricedCall, weight: float, now_s: float) -> None:
        call = priced.call
        key = (
            call.origin.service,
            call.origin.environment,
            priced.provider,
            call.request_model,
            call.response_model,
        )
        series = _series_for(self._routes, key, now_s)
        series.routed.add(weight, now_s)

    def step(self, step: Step) -> None:
        """Count one step; a tool, retrieval or guardrail counts in its own families too."""
        origin = step.origin
        now_s = self._clock()
        action = step.guardrail_action
        guards = "guards" if action else ""
        key = (
            origin.service,
            origin.environment,
            step.kind,
            step.name,
            guards,
            origin.dimensions,
        )
        series = _series_for(self._steps, key, now_s)
        weight = _weight(step.weight)
        trace_ref = self._trace_ref(origin)
        outcome = "error" if step.error_type else "ok"
        duration_s = plausible(self._store, "step", duration_of(step), now_s)
        if duration_s is not None:
            series.duration[(outcome,)].observe(duration_s, weight, now_s, trace_ref)
        if step.kind == "tool":
            series.tools[outcome, step.error_type].add(weight, now_s)
        if step.documents is not None:
            series.documents[NO_LABELS].observe(step.documents, weight, now_s)
        score = step.top_score
        if score is not None:
            # A negative observation would make the sum, which is a counter, fall.
            score = 0.0 if score < 0 else score
            series.top_score[NO_LABELS].observe(score, weight, now_s, trace_ref)
        if action:
            series.checks[(action,)].add(weight, now_s)

    def trace(self, trace: TraceSummary) -> None:
        """Count one whole trace."""
        now_s = self._clock()
        key = (trace.service, trace.environment, trace.root, trace.dimensions)
        series = _series_for(self._traces, key, now_s)
        weight = _weight(trace.weight)
        trace_ref = (trace.trace_id, trace.span_id, self._wall_clock())
        series.traces["error" if trace.failed else "ok",].add(weight, now_s)
        duration_s = plausible(self._store, "trace", trace.duration_s, now_s)
        if duration_s is not None:
            series.duration[NO_LABELS].observe(duration_s, weight, now_s, trace_ref)
        series.llm_calls[NO_LABELS].observe(trace.llm_calls, weight, now_s, trace_ref)
        series.tool_calls[NO_LABELS].observe(trace.tool_calls, weight, now_s)
        if trace.tokens is not None:
            series.tokens[NO_LABELS].observe(trace.tokens, weight, now_s)
        if trace.cost_usd is not None:
            series.cost[NO_LABELS].observe(trace.cost_usd, weight, now_s, trace_ref)

    def verdict(self, verdict: Verdict) -> None:
        """Count one result of a judge."""
        origin = verdict.origin
        now_s = self._clock()
        key = (
            origin.service,
            origin.environment,
            verdict.model,
            verdict.judge,
            verdict.kind,
            origin.dimensions,
        )
        series = _series_for(self._verdicts, key, now_s)
        weight = _weight(verdict.weight)
        trace_ref = self._trace_ref(origin)
        failed = trace_ref if verdict.verdict == "fail" else None
        series.verdicts[(verdict.verdict,)].add(weight, now_s, failed)
        score = self._scaled_score(verdict)
        if score is not None:
            series.score[NO_LABELS].observe(score, weight, now_s, trace_ref)
        for finding in verdict.findings:
            found = series.findings[finding.category, finding.direction]
            found.add(finding.n * weight, now_s)
        if verdict.target_end_ns > 0:
            waited_s = max(0, verdict.time_ns - verdict.target_end_ns) / 1e9
            lag_s = plausible(self._store, "judge_lag", waited_s, now_s)
            if lag_s is not None:
                series.lag[NO_LABELS].observe(lag_s, weight, now_s)

    def _scaled_score(self, verdict: Verdict) -> float | None:
        """Return the score between 0 and 1; None if there is none or its scale is unknown."""
        score = verdict.score
        if score is None:
            return None
        of_dialect = self._score_ranges_of_dialects.get(verdict.origin.dialect, (0.0, 1.0))
        low, high = self._score_ranges.get(verdict.judge, of_dialect)
        if low == high:
            return None
        scaled = (score - low) / (high - low)
        return scaled if 0 <= scaled <= 1 else None

    def agreement(self, agreement: Agreement) -> None:
        """Count a verdict of a judge that a human gave, or did not give, as well."""
        verdict = agreement.verdict
        origin = verdict.origin
        now_s = self._clock()
        key = (
            origin.service,
            origin.environment,
            verdict.model,
            verdict.judge,
            origin.dimensions,
        )
        series = _series_for(self._agreements, key, now_s)
        agrees = "true" if agreement.agrees else "false"
        series.by_agreement[(agrees,)].add(_weight(verdict.weight), now_s)

    def feedback(self, feedback: Feedback) -> None:
        """Count one rating by an end user."""
        origin = feedback.origin
        now_s = self._clock()
        key = (
            origin.service,
            origin.environment,
            feedback.model,
            feedback.source,
            origin.dimensions,
        )
        series = _series_for(self._feedback, key, now_s)
        series.by_rating[(feedback.rating,)].add(_weight(feedback.weight), now_s)

    def _trace_ref(self, origin: Origin) -> TraceRef | None:
        if len(origin.trace_id) != 16:
            return None
        return origin.trace_id, origin.span_id, self._wall_clock()


def _series_for(cache: SeriesCache[B], key: tuple[str | tuple[str, ...], ...], now_s: float) -> B:
    """Return the series of a label set, in use now; what the caps replaced of it is counted."""
    series = cache.by_key.get(key) or cache.make(key)
    for overflow in series.overflows:
        overflow.add(1, now_s)
    for sibling in series.co_created:
        sibling.touched_s = now_s
    return series


def _weight(weight: float) -> float:
    """Return a usable weight: what claims an impossible one stands for itself."""
    return weight if 0 < weight <= MAX_AMOUNT else 1.0


def _count_tokens(tokens: Tokens, series: CallSeries, weight: float, now_s: float) -> None:
    for key, count in zip(_TYPE_KEYS, astuple(tokens), strict=False):
        if count:
            series.tokens[key].add(count * weight, now_s)
    series.input_tokens[NO_LABELS].observe(tokens.input_all, weight, now_s)
    series.output_tokens[NO_LABELS].observe(tokens.output_all, weight, now_s)


def _count_money(
    priced: PricedCall, series: CallSeries, weight: float, now_s: float, trace_ref: TraceRef | None
) -> None:
    _count_cost(priced, series, weight, now_s, trace_ref)
    if priced.unpriced is not None:
        series.unpriced[(priced.unpriced,)].add(weight, now_s)
        if priced.call.tokens is None:
            # Its usage may still come: the first time must be seen as growth.
            series.repriced[(priced.unpriced,)].touched_s = now_s
    _count_unpriced_tokens(priced, series, weight, now_s)


def _count_cost(
    priced: PricedCall, series: CallSeries, weight: float, now_s: float, trace_ref: TraceRef | None
) -> None:
    for line in priced.cost:
        series.cost[line.type, line.source].add(line.usd * weight, now_s)
    usd = priced.cost_usd
    if usd is not None:
        series.cost_per_call[NO_LABELS].observe(usd, weight, now_s, trace_ref)
    for assumption, assumed_usd in priced.assumptions:
        series.assumptions[(assumption,)].add(weight, now_s)
        series.assumed_cost[(assumption,)].add(assumed_usd * weight, now_s)


def _count_unpriced_tokens(
    priced: PricedCall, series: CallSeries, weight: float, now_s: float
) -> None:
    for name, count in priced.unpriced_tokens:
        # They are a fault of the usage, also where the types that it tells have no price.
        reason = "unexplained" if name == "unexplained" else priced.unpriced
        if reason is not None:
            series.unpriced_tokens[reason, name].add(count * weight, now_s)
