"""Name profiles: calls once more under the names that other dashboards query.

Sources: OpenTelemetry GenAI metrics (client token usage, operation duration, time to first
chunk); OpenLIT's dashboard and SDK (cost, server time to first token, the mark of its SDK).
"""

from __future__ import annotations

from functools import partial

from ..model import MAX_DURATION_S
from ..settled import PricedCall
from .series import Counter
from .series_sets import NO_LABELS, Labeller, SeriesByLabels, SeriesCache
from .store import Store

_ADMITTED = ("service", "environment", "operation", "provider", "request_model", "response_model")


class ProfileSeries:
    """Series of the calls of one label set, in all profiles."""

    __slots__ = (
        *("co_created", "cost", "duration", "first_chunk", "first_token", "overflows"),
        "tokens",
    )

    def __init__(
        self,
        labeller: Labeller,
        service: str,
        environment: str,
        operation: str,
        provider: str,
        request_model: str,
        response_model: str,
    ) -> None:
        """Bind."""
        values = (service, environment, operation, provider, request_model, response_model)
        # The call itself has counted the values that the caps replace.
        head, over = labeller.admit(_ADMITTED, values)
        self.overflows = tuple(over)
        self.co_created: tuple[Counter, ...] = ()
        histograms = labeller.store.histograms
        client = "gen_ai_client_"
        self.tokens = SeriesByLabels(histograms(client + "token_usage"), head)
        self.duration = SeriesByLabels(histograms(client + "operation_duration_seconds"), head)
        self.first_chunk = SeriesByLabels(
            histograms(client + "operation_time_to_first_chunk_seconds"), head
        )
        self.first_token = SeriesByLabels(
            histograms("gen_ai_server_time_to_first_token_seconds"), head
        )
        self.cost = SeriesByLabels(histograms("gen_ai_usage_cost_USD"), head)


class NameProfiles:
    """Counts calls under the names of the profiles that are switched on."""

    def __init__(self, store: Store, labeller: Labeller) -> None:
        """Count into a store; its options say which profiles are on."""
        self._store = store
        self._series = SeriesCache(store, partial(ProfileSeries, labeller))

    def count(self, priced: PricedCall, weight: float, now_s: float) -> None:
        """Count one call; the caller holds the store's lock."""
        call = priced.call
        key = (
            call.origin.service,
            call.origin.environment,
            call.operation,
            priced.provider,
            call.request_model,
            call.response_model,
        )
        series = self._series.by_key.get(key) or self._series.make(key)
        # Times that cannot be true were counted with the call itself.
        is_plausible = not call.is_untimed and call.duration_s <= MAX_DURATION_S
        if is_plausible:
            series.duration[(call.error_type,)].observe(call.duration_s, weight, now_s)
        if call.tokens is not None:
            series.tokens[("input",)].observe(call.tokens.input_all, weight, now_s)
            series.tokens[("output",)].observe(call.tokens.output_all, weight, now_s)
        is_openlit = "openlit" in self._store.options.profiles
        if is_plausible and call.streaming and call.ttft_s is not None:
            series.first_chunk[NO_LABELS].observe(call.ttft_s, weight, now_s)
            if is_openlit:
                series.first_token[NO_LABELS].observe(call.ttft_s, weight, now_s)
        usd = priced.cost_usd
        if is_openlit and usd is not None:
            series.cost[NO_LABELS].observe(usd, weight, now_s)
