"""For who is on call: what broke, since when, is it us or the provider?"""

from __future__ import annotations

from .. import measures as m
from ..board import TRACE_LINK, Board, Row
from ..panels import Query, bars, heatmap, now, series, stat, table
from ..promql import (
    NOT_JUDGES,
    NOW,
    RANGE,
    RATE,
    default_target,
    increase,
    rate,
    ratio,
    top,
    top_and_rest,
)
from ..units import PLAIN, up_to

_EVENTS = "llm_gateway_events_total"
_FINITE = rate(f"{m.DURATION}_bucket", 'le!="+Inf"', NOT_JUDGES, by="le")


def _limited(by: str = "", window: str = RATE) -> str:
    """Calls that were turned away for being too many, of all."""
    part = rate(m.REQUESTS, 'error_type="rate_limited"', NOT_JUDGES, by=by, window=window)
    return ratio(part, rate(m.REQUESTS, NOT_JUDGES, by=by, window=window))


def _events(event: str) -> str:
    """Events of a kind for each request."""
    return ratio(rate(_EVENTS, f'event="{event}"'), rate(m.REQUESTS, NOT_JUDGES))


def _by_model(quantiles: str, histogram: str) -> str:
    return m.quantile_lines(quantiles, histogram, "model", NOT_JUDGES)


AT_ONCE = Row(
    "Now: the last 10 minutes",
    (
        now(stat(
            "Error ratio now", "Calls that failed. Red from the target on.",
            "failed calls / calls", "percentunit", m.error_ratio(window=NOW), up_to(0.02, 0.05),
            decimals=2, target=default_target("error_ratio"),
        )),
        stat(
            "Worst provider now", "The provider most of whose calls failed in the last ten "
            "minutes. Red from the target on.", "the largest of failed calls / calls",
            "percentunit", f"topk(1, {m.error_ratio('provider', NOW)})", up_to(0.02, 0.05),
            legend="{{provider}}", decimals=1, target=default_target("error_ratio"),
        ),
        now(stat(
            "Rate limited now", "Calls that the provider turned away for being too many.",
            "calls with rate_limited / calls", "percentunit", _limited(window=NOW),
            up_to(0.01, 0.05), decimals=2,
        )),
        now(stat(
            "Answers within now (p95)", "95 % of the calls took no longer. Red from the target "
            "on.", "95th percentile of call durations", "s", m.duration(0.95, window=NOW),
            decimals=1, target=default_target("latency_p95_seconds"),
        )),
        now(stat(
            "First token now (p95)", "95 % of the streaming calls wrote sooner. Red from the "
            "target on.", "95th percentile of the time to the first token", "s",
            m.first_token(0.95, window=NOW), decimals=2,
            target=default_target("ttft_p95_seconds"),
        )),
        now(stat(
            "Requests now", "Calls a second, those of judges left out.",
            "rate of llm_requests_total", "req/s",
            rate(m.REQUESTS, NOT_JUDGES, window=NOW), decimals=2,
        )),
    ),
)  # fmt: skip

FAILURES = Row(
    "Failures",
    (
        m.errors_by("provider", "{{provider}}"),
        series(
            "Errors by type", "What callers were told; our own mistakes are invalid_request, "
            "context_length and auth, the provider's server_error and rate_limited.",
            "rate of llm_requests_total with outcome error", "req/s",
            Query(
                top_and_rest(
                    rate(m.REQUESTS, 'outcome="error"', NOT_JUDGES, by="error_type"), "error_type"
                ),
                "{{error_type}}",
            ),
            stacked=True,
        ),
        table(
            "Providers and models", "Each model over the time shown, the failing first.",
            "as in the panels of the same names, by provider and model", ("provider", "model"),
            m.ranged("Requests/s", rate(m.REQUESTS, NOT_JUDGES, by="provider, model"),
                     "req/s"),
            m.ranged("Errors", m.error_ratio("provider, model"), "percentunit",
                     *up_to(0.02, 0.05)),
            m.ranged("Rate limited", _limited("provider, model"), "percentunit",
                     *up_to(0.01, 0.05)),
            m.ranged("p50", m.duration(0.5, "provider, model"), "s"),
            m.ranged("p95", m.duration(0.95, "provider, model"), "s"),
            m.ranged("First token p95", m.first_token(0.95, "provider, model"), "s"),
            m.ranged(
                "Samples",
                increase(f"{m.DURATION}_count", NOT_JUDGES, by="provider, model"),
            ),
            sort=1, height=9,
        ),
        m.errors_by("service", "{{service}}"),
        m.errors_by("model", "{{model}}"),
    ),
)  # fmt: skip

LATENCY = Row(
    "Latency",
    (
        *m.with_samples(
            series(
                "How long calls take", "Half, 95 % and 99 % of the calls took no longer. "
                "The dots are single calls: each leads to its trace. Dashed: the targets.",
                "50th, 95th and 99th percentile of call durations", "s",
                *(Query(m.duration(q, ""), f"p{round(100 * q)}", exemplar=q == 0.95)
                  for q in (0.5, 0.95, 0.99)),
                m.target("latency_p95_seconds"), links=(TRACE_LINK,),
            ),
            "calls", m.DURATION, NOT_JUDGES,
        ),
        heatmap(
            "Durations", "How calls spread over the buckets; two bands are two kinds of calls.",
            "increase of llm_request_duration_seconds_bucket", "s",
            increase(f"{m.DURATION}_bucket", NOT_JUDGES, by="le", window=RATE),
            links=(TRACE_LINK,), exemplar=True,
        ),
        *m.with_samples(
            series(
                "p95 by model", "95 % of the calls took no longer. Dashed: the targets.",
                "95th percentile of call durations", "s",
                Query(_by_model(m.duration(0.95, "model"), m.DURATION), "{{model}}"),
                m.target("latency_p95_seconds"),
            ),
            "p95 by model", m.DURATION, NOT_JUDGES, by="model",
        ),
        series(
            "Calls beyond the largest bucket", "Above it every quantile is a guess: give "
            "`buckets.seconds` a larger bound when this is not 0.",
            "1 - calls in the largest finite bucket / calls", "percentunit",
            Query(
                f"1 - max({_FINITE}) / {rate(f'{m.DURATION}_count', NOT_JUDGES)}",
                "beyond the largest bucket",
            ),
            width=12,
        ),
        *m.with_samples(
            series(
                "Time to first token, p95 by model", "Streaming calls that report it. Dashed: "
                "the targets.", "95th percentile of the time to the first token", "s",
                Query(_by_model(m.first_token(0.95, "model"), m.FIRST_TOKEN), "{{model}}"),
                m.target("ttft_p95_seconds"),
            ),
            "first token", m.FIRST_TOKEN, NOT_JUDGES, by="model",
        ),
        *m.with_samples(
            series(
                "Time per output token, median by model", "Streaming speed after the first "
                "token: high while the first token is fast means a busy provider.",
                "50th percentile of (duration - first token) / (output tokens - 1)", "s",
                Query(_by_model(m.per_token(0.5, "model"), m.PER_TOKEN), "{{model}}"),
            ),
            "per token", m.PER_TOKEN, NOT_JUDGES, by="model",
        ),
    ),
)  # fmt: skip

AROUND = Row(
    "Around the calls",
    (
        series(
            "Retries, fallbacks, cache hits", "What gateways and SDKs did besides the calls.",
            "rate of llm_gateway_events_total", "events/s",
            Query(rate(_EVENTS, by="event"), "{{event}}"),
        ),
        series(
            "Retries and fallbacks a call", "A storm shows here before the errors do.",
            "events / calls, those of judges left out", "percentunit",
            Query(_events("retry"), "retries"), Query(_events("fallback"), "fallbacks"),
        ),
        series(
            "Answers that broke off, by model", "Generations that ended at the token limit. "
            "Dashed: the targets.", "finish reasons length / finish reasons", "percentunit",
            Query(top(m.finished("length", "model"), "model"), "{{model}}"),
            m.target("truncated_ratio"),
        ),
        table(
            "Asked and answered", "Which model answered for the one that was asked, over the "
            "time shown; a pair that should not be there is a routing mistake.",
            "increase of llm_model_routing_total", ("request_model", "response_model"),
            m.ranged(
                "Calls",
                increase("llm_model_routing_total", by="request_model, response_model"),
            ),
        ).sized(12, 8),
        bars(
            "Busiest services", "Calls a second over the time shown.",
            "rate of llm_requests_total", "req/s",
            f"topk(15, {rate(m.REQUESTS, NOT_JUDGES, by='service', window=RANGE)})",
            "{{service}}", PLAIN, width=24,
        ),
    ),
    is_collapsed=True,
)  # fmt: skip

BOARD = Board(
    "llm-reliability", "Reliability & latency",
    "What fails and what is slow, by provider, model and service.",
    (AT_ONCE, FAILURES, LATENCY, AROUND), hours=6,
)  # fmt: skip
