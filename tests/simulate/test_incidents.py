"""Each incident shows where its alert looks, and only it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llm_trace_exporter.errors import ExporterError
from llm_trace_exporter.simulate.incidents import INCIDENTS, parse_incident
from tests.facts import Samples
from tests.simulate.world import START_S, counted, samples, traffic

SECONDS = 600.0
Measure = Callable[[Samples], float]


@pytest.fixture(scope="module")
def healthy() -> Samples:
    return measured()


def measured(*incidents: str) -> Samples:
    source = traffic(SECONDS, *incidents, rate=0.6, profile="small")
    return samples(counted(source, SECONDS))


def total(name: str, **labels: str) -> Measure:
    return lambda found: found.total(name, **labels)


def share(part: Measure, whole: Measure) -> Measure:
    return lambda found: part(found) / max(1.0, whole(found))


def mean(name: str, **labels: str) -> Measure:
    return share(total(f"{name}_sum", **labels), total(f"{name}_count", **labels))


REQUESTS = "llm_requests_total"
TOKENS = "llm_tokens_total"
OPENAI = {"provider": "openai", "purpose": ""}
ALL = total(REQUESTS, purpose="")


def errors(kind: str, provider: str) -> Measure:
    failed = total(REQUESTS, error_type=kind, provider=provider)
    return share(failed, total(REQUESTS, provider=provider))


def verdicts(verdict: str) -> Measure:
    return total("llm_judge_verdicts_total", verdict=verdict, kind="llm")


JUDGED = total("llm_judge_verdicts_total", kind="llm")
SEEN: dict[str, tuple[Measure, float]] = {
    "provider-outage": (errors("server_error", "openai"), 0.9),
    "provider-errors": (errors("server_error", "anthropic"), 0.2),
    "rate-limit": (errors("rate_limited", "openai"), 0.3),
    "model-outage": (
        share(
            total("llm_requests_total", provider="openai", service="support-bot", outcome="error"),
            total("llm_requests_total", provider="openai", service="support-bot"),
        ),
        0.9,
    ),
    "auth": (errors("auth", "anthropic"), 0.9),
    "auth-quota": (errors("quota", "openai"), 0.9),
    "timeouts": (errors("timeout", "aws.bedrock"), 0.3),
    "slow-provider": (mean("llm_request_duration_seconds", service="support-bot"), 10.0),
    "slow-first-token": (
        mean("llm_request_time_to_first_token_seconds", service="support-bot"), 3.0,
    ),
    "saturation": (mean("llm_request_duration_seconds", service="batch-summariser"), 3_600.0),
    "cost-spike": (total("llm_cost_usd_total", service="coding-agent"), 20.0),
    "token-bloat": (mean("llm_request_input_tokens", service="support-bot"), 4_000.0),
    "cache-miss": (lambda f: -total(TOKENS, type="cache_read")(f) / ALL(f), -100.0),
    "judge-regression": (share(verdicts("fail"), JUDGED), 0.25),
    "judge-down": (share(verdicts("error"), JUDGED), 0.8),
    "judge-stalled": (lambda f: -JUDGED(f), -1.0),
    "judge-cost": (total("llm_cost_usd_total", purpose="judge"), 0.2),
    "negative-feedback": (
        share(total("llm_feedback_total", rating="negative"), total("llm_feedback_total")), 0.5,
    ),
    "refusals": (share(total("llm_finish_reasons_total", reason="refusal"), ALL), 0.15),
    "truncation": (share(total("llm_finish_reasons_total", reason="length"), ALL), 0.2),
    "prompt-injection": (
        share(
            total("llm_guardrail_checks_total", action="block", service="support-bot"),
            total("llm_guardrail_checks_total", service="support-bot"),
        ),
        0.3,
    ),
    "retry-storm": (total("llm_gateway_events_total", event="retry"), 30.0),
    "fallback-storm": (total("llm_gateway_events_total", event="fallback"), 25.0),
    "judge-late": (mean("llm_judge_lag_seconds", judge="answer_relevance"), 100.0),
    "judge-labels": (share(verdicts("unscored"), JUDGED), 0.3),
    "stray-results": (total("llm_exporter_unmatched_evaluations_total"), 20.0),
    "guardrail-down": (total("llm_step_duration_seconds_count", outcome="error",
                             step="guardrail"), 100.0),
    "guardrail-silent": (
        lambda f: -total("llm_guardrail_checks_total", service="support-bot")(f), -1.0,
    ),
    "content-filter": (errors("content_filter", "openai"), 0.2),
    "tool-outage": (
        share(total("llm_tool_calls_total", outcome="error", service="coding-agent"),
              total("llm_tool_calls_total", service="coding-agent")),
        0.99,
    ),
    "slow-steps": (mean("llm_step_duration_seconds", step="retrieval"), 0.4),
    "no-traffic": (lambda f: -total("llm_exporter_spans_received_total")(f), -1.0),
    "double-instrumentation": (total("llm_exporter_discarded_total", reason="rollup"), 500.0),
    "unknown-convention": (
        lambda f: -f.total("llm_exporter_spans_received_total")
        + f.total("llm_exporter_spans_received_total", dialect=""),
        -1.0,
    ),
    "invalid-records": (total("llm_exporter_discarded_total", reason="invalid"), 100.0),
    "traffic-drop": (lambda f: -ALL(f), -40.0),
    "traffic-spike": (ALL, 2_000.0),
    "agent-loop": (total("llm_tool_calls_total", service="coding-agent"), 250.0),
    "tool-failure": (
        share(total("llm_tool_calls_total", outcome="error"), total("llm_tool_calls_total")), 0.4,
    ),
    "retrieval-empty": (
        share(total("llm_retrieved_documents_bucket", le="0.0"),
              total("llm_retrieved_documents_count")),
        0.5,
    ),
    "retrieval-poor": (lambda f: -mean("llm_retrieval_top_score")(f), -0.6),
    "unpriced-model": (total("llm_unpriced_tokens_total", reason="unknown_model"), 1_000.0),
    "model-routing": (
        total("llm_model_routing_total", response_model="gpt-3.5-turbo-0125"), 30.0,
    ),
    "context-length": (errors("context_length", "anthropic"), 0.1),
    "label-flood": (
        lambda f: len({s.labels.get("feature") for s in f.by_name[REQUESTS]}), 30.0,
    ),
    "ingest-lag": (mean("llm_exporter_ingest_lag_seconds"), 3_000.0),
    "duplicates": (total("llm_exporter_discarded_total", reason="duplicate"), 150.0),
    "malformed-requests": (total("llm_exporter_requests_rejected_total"), 150.0),
}  # fmt: skip
"""What an incident drives above a limit that healthy traffic stays below."""


EXPORTERS_OWN = {"exporter-down", "crash-loop"}
"""No traffic shows them; tests/e2e does."""


def test_every_incident_is_looked_for() -> None:
    assert SEEN.keys() | EXPORTERS_OWN == INCIDENTS.keys()


QUICK = ("provider-outage", "judge-regression", "cost-spike", "duplicates")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.long) for n in SEEN]
)
def test_an_incident_shows_where_its_alert_looks(name: str, healthy: Samples) -> None:
    measure, limit = SEEN[name]
    assert measure(healthy) < limit < measure(measured(name))


@pytest.mark.parametrize(
    ("written", "wrong"),
    [
        ("outage", "there is no incident 'outage'; one of provider-outage"),
        ("rate-limit@5m", "the duration is missing"),
        ("rate-limit@5x+1m", "not a duration"),
        ("rate-limit@2h+1m", "lies outside"),
        ("rate-limit@-2h+1m", "lies outside"),
        ("rate-limit@1m+0s", "lasts no time"),
    ],
)
def test_what_cannot_be_planned_is_explained(written: str, wrong: str) -> None:
    with pytest.raises(ExporterError, match=wrong):
        parse_incident(written, START_S, START_S + 3_600)


@pytest.mark.parametrize(
    ("written", "start_s", "end_s"),
    [
        ("rate-limit", 0, 3_600),
        ("rate-limit@10m+5m", 600, 900),
        ("rate-limit@-10m+5m", 3_000, 3_300),
    ],
)
def test_times_count_from_the_start_or_from_the_end(
    written: str, start_s: float, end_s: float
) -> None:
    planned = parse_incident(written, START_S, START_S + 3_600)
    assert (planned.start_s - START_S, planned.end_s - START_S) == (start_s, end_s)
