"""Every metric family, declared once.

The store, the exposition, the reference page in the docs and the tests of dashboards and alerts
read this one table. Renaming anything here breaks users' queries: it needs a changelog line.
"""

from __future__ import annotations

from collections.abc import Mapping

from .exporter_families import EXPORTER_FAMILIES
from .family import Family, MetricType
from .judge_families import JUDGE_FAMILIES
from .labels_and_buckets import FINISH_REASONS, UNPRICED_REASONS
from .profile_families import PROFILE_FAMILIES
from .source_families import PULLED_FAMILIES, SOURCE_FAMILIES

REQUEST = ("service", "environment", "provider", "model", "operation", "purpose")
ROUTE = ("service", "environment", "provider")
STEP = ("service", "environment")
TRACE = ("service", "environment", "root")
AIMED = ("service", "environment", "provider", "model", "operation", "judge", "tool")
QUALITY = ("service", "environment", "model")


def _requests(
    name: str, kind: MetricType, unit: str, own: tuple[str, ...], text: str, query: str,
    *, buckets: str = "", exemplars: bool = False, reasons: tuple[str, ...] = (),
    absent_when: str = "",
) -> Family:  # fmt: skip
    return Family(
        name, kind, "Requests", unit, REQUEST + own, text, query, True, buckets, exemplars, reasons,
        absent_when=absent_when,
    )  # fmt: skip


def _steps(
    name: str, kind: MetricType, unit: str, own: tuple[str, ...], text: str, query: str,
    *, absent_when: str, buckets: str = "", exemplars: bool = False,
) -> Family:  # fmt: skip
    return Family(
        name, kind, "Steps", unit, STEP + own, text, query, True, buckets, exemplars,
        absent_when=absent_when,
    )  # fmt: skip


def _traces(
    name: str, kind: MetricType, unit: str, own: tuple[str, ...], text: str, query: str,
    *, buckets: str = "", exemplars: bool = False,
) -> Family:  # fmt: skip
    return Family(
        name, kind, "Traces", unit, TRACE + own, text, query, True, buckets, exemplars,
        absent_when="no trace is complete yet",
    )  # fmt: skip


def _quality(
    name: str, kind: MetricType, unit: str, own: tuple[str, ...], text: str, query: str,
    *, absent_when: str, buckets: str = "", exemplars: bool = False,
) -> Family:  # fmt: skip
    return Family(
        name, kind, "Quality", unit, QUALITY + own, text, query, True, buckets, exemplars,
        absent_when=absent_when,
    )  # fmt: skip


FAMILIES: tuple[Family, ...] = (
    _requests(
        "llm_requests_total", "counter", "", ("outcome", "error_type"),
        "LLM calls, each counted once whichever instrumentation reported it.",
        'sum by (provider, model) (rate(llm_requests_total{outcome="error", purpose=""}[5m])) '
        '/ sum by (provider, model) (rate(llm_requests_total{purpose=""}[5m]))',
    ),
    _requests(
        "llm_request_duration_seconds", "histogram", "seconds", ("outcome",),
        "Wall time of whole LLM calls, in seconds.",
        "histogram_quantile(0.95, sum by (le, model) "
        '(rate(llm_request_duration_seconds_bucket{purpose=""}[5m])))',
        buckets="seconds", exemplars=True,
    ),
    _requests(
        "llm_request_time_to_first_token_seconds", "histogram", "seconds", (),
        "Time from the request to the first token, in seconds; streaming calls that report it.",
        "histogram_quantile(0.95, sum by (le, model) "
        "(rate(llm_request_time_to_first_token_seconds_bucket[5m])))",
        buckets="first_token_seconds",
        absent_when="no streaming call reports its first token",
    ),
    _requests(
        "llm_request_time_per_output_token_seconds", "histogram", "seconds", (),
        "Seconds per output token after the first: (duration - time to first token) / "
        "(output tokens - 1); streaming calls of two and more output tokens.",
        "histogram_quantile(0.5, sum by (le, model) "
        "(rate(llm_request_time_per_output_token_seconds_bucket[5m])))",
        buckets="per_token_seconds",
        absent_when="no streaming call reports its first token",
    ),
    _requests(
        "llm_tokens_total", "counter", "tokens", ("type",),
        "Tokens by disjoint type: input is uncached input, output is without reasoning, so the "
        "sum over types is every token once.",
        "sum by (service, type) (rate(llm_tokens_total[5m]))",
    ),
    _requests(
        "llm_request_input_tokens", "histogram", "tokens", (),
        "Input tokens per call, all input types together; calls with known usage.",
        "histogram_quantile(0.95, sum by (le, model) "
        "(rate(llm_request_input_tokens_bucket[5m])))",
        buckets="tokens",
    ),
    _requests(
        "llm_request_output_tokens", "histogram", "tokens", (),
        "Output tokens per call, all output types together; calls with known usage.",
        "histogram_quantile(0.95, sum by (le, model) "
        "(rate(llm_request_output_tokens_bucket[5m])))",
        buckets="tokens",
    ),
    _requests(
        "llm_cost_usd_total", "counter", "usd", ("type", "cost_source"),
        "US dollars spent, by token type and by where the price came from.",
        "sum by (service, model) (increase(llm_cost_usd_total[1d]))",
        absent_when="no call could be priced",
    ),
    _requests(
        "llm_request_cost_usd", "histogram", "usd", (),
        "US dollars per call; calls of which at least a part could be priced.",
        "sum by (service) (rate(llm_request_cost_usd_sum[1h])) "
        "/ sum by (service) (rate(llm_request_cost_usd_count[1h]))",
        buckets="dollars", exemplars=True,
        absent_when="no call could be priced",
    ),
    _requests(
        "llm_unpriced_requests_total", "counter", "", ("reason",),
        "Calls that could not be priced, wholly or in part; they are never counted as $0.",
        "sum by (model, reason) (increase(llm_unpriced_requests_total[1h]))",
        reasons=UNPRICED_REASONS,
    ),
    _requests(
        "llm_repriced_requests_total", "counter", "", ("reason",),
        "Calls that were counted as unpriced, by why, and have a price now: their usage came late. "
        "Unpriced calls less these are still without a price.",
        "sum by (model) (increase(llm_unpriced_requests_total[1h])) "
        "- (sum by (model) (increase(llm_repriced_requests_total[1h])) or vector(0))",
    ),
    _requests(
        "llm_unpriced_tokens_total", "counter", "tokens", ("reason", "type"),
        "Tokens without a price, by disjoint type; unexplained: those of no type.",
        "sum by (model, type) (increase(llm_unpriced_tokens_total[1h]))",
        reasons=UNPRICED_REASONS,
    ),
    _requests(
        "llm_price_assumptions_total", "counter", "", ("assumption",),
        "Calls whose price rests on an assumption; one that rests on two counts under both.",
        "sum by (model, assumption) (increase(llm_price_assumptions_total[1h]))",
        absent_when="no price rests on an assumption",
    ),
    _requests(
        "llm_assumed_cost_usd_total", "counter", "usd", ("assumption",),
        "US dollars that rest on an assumption, among those of llm_cost_usd_total; those that "
        "rest on two count under both.",
        "sum by (assumption) (increase(llm_assumed_cost_usd_total[1d])) "
        "/ on () group_left sum(increase(llm_cost_usd_total[1d]))",
        absent_when="no price rests on an assumption",
    ),
    _requests(
        "llm_finish_reasons_total", "counter", "", ("reason",),
        "Why generations ended; a call that returns several choices counts each.",
        'sum by (model) (rate(llm_finish_reasons_total{reason="length"}[15m])) '
        "/ sum by (model) (rate(llm_finish_reasons_total[15m]))",
        reasons=FINISH_REASONS,
        absent_when="no call reports a finish reason",
    ),
    Family(
        "llm_model_routing_total", "counter", "Requests", "",
        (*ROUTE, "request_model", "response_model"),
        "Answered calls by the model that was asked for and the model that answered; both known.",
        "sum by (request_model, response_model) (rate(llm_model_routing_total[1h]))",
        absent_when="no call reports both the model asked for and the one that answered",
    ),
    _requests(
        "llm_gateway_events_total", "counter", "", ("event",),
        "What gateways and SDKs did besides the call itself: retries, fallbacks, cache hits.",
        "sum by (service, event) (rate(llm_gateway_events_total[5m]))",
        absent_when="no retry, fallback or cache of a gateway is traced",
    ),
    _steps(
        "llm_step_duration_seconds", "histogram", "seconds", ("step", "name", "outcome"),
        "Wall time of pipeline steps that are not LLM calls, in seconds.",
        "histogram_quantile(0.95, sum by (le, step, name) "
        "(rate(llm_step_duration_seconds_bucket[5m])))",
        buckets="seconds", exemplars=True,
        absent_when="no step of a pipeline is traced",
    ),
    _steps(
        "llm_tool_calls_total", "counter", "", ("tool", "outcome", "error_type"),
        "Tools that were executed, MCP tools included.",
        'sum by (tool) (rate(llm_tool_calls_total{outcome="error"}[5m])) '
        "/ sum by (tool) (rate(llm_tool_calls_total[5m]))",
        absent_when="no tool is traced",
    ),
    _steps(
        "llm_retrieved_documents", "histogram", "", ("name",),
        "Documents that came back per retrieval.",
        'sum by (name) (rate(llm_retrieved_documents_bucket{le="0.0"}[15m])) '
        "/ sum by (name) (rate(llm_retrieved_documents_count[15m]))",
        buckets="documents",
        absent_when="no retrieval is traced",
    ),
    _steps(
        "llm_retrieval_top_score", "histogram", "", ("name",),
        "Best score per retrieval, as the retriever scales it; scores below 0 count as 0.",
        "histogram_quantile(0.1, sum by (le, name) "
        "(rate(llm_retrieval_top_score_bucket[1h])))",
        buckets="score", exemplars=True,
        absent_when="no retrieval is traced",
    ),
    _steps(
        "llm_guardrail_checks_total", "counter", "", ("guardrail", "action"),
        "Guardrail checks by what the guardrail did.",
        'sum by (guardrail) (rate(llm_guardrail_checks_total{action="block"}[5m]))',
        absent_when="no guardrail is traced",
    ),
    _traces(
        "llm_traces_total", "counter", "", ("outcome",),
        "Whole traces with at least one LLM call; outcome is the root's.",
        'sum by (service, root) (rate(llm_traces_total{outcome="error"}[15m])) '
        "/ sum by (service, root) (rate(llm_traces_total[15m]))",
    ),
    _traces(
        "llm_trace_duration_seconds", "histogram", "seconds", (),
        "Wall time of whole traces, in seconds: the root's, else from the first call or step to "
        "the last.",
        "histogram_quantile(0.95, sum by (le, root) "
        "(rate(llm_trace_duration_seconds_bucket[15m])))",
        buckets="seconds", exemplars=True,
    ),
    _traces(
        "llm_trace_cost_usd", "histogram", "usd", (),
        "US dollars per trace; traces of which every call with usage could be priced.",
        "sum by (service, root) (rate(llm_trace_cost_usd_sum[1h])) "
        "/ sum by (service, root) (rate(llm_trace_cost_usd_count[1h]))",
        buckets="dollars", exemplars=True,
    ),
    _traces(
        "llm_trace_llm_calls", "histogram", "", (),
        "LLM calls per trace, those of judges left out.",
        "histogram_quantile(0.95, sum by (le, root) (rate(llm_trace_llm_calls_bucket[1h])))",
        buckets="calls", exemplars=True,
    ),
    _traces(
        "llm_trace_tool_calls", "histogram", "", (),
        "Executed tools per trace.",
        "histogram_quantile(0.95, sum by (le, root) (rate(llm_trace_tool_calls_bucket[1h])))",
        buckets="calls",
    ),
    _traces(
        "llm_trace_tokens", "histogram", "tokens", (),
        "Tokens per trace, all types together; traces whose answered calls all report their usage.",
        "histogram_quantile(0.95, sum by (le, root) (rate(llm_trace_tokens_bucket[1h])))",
        buckets="tokens",
    ),
    _quality(
        "llm_judge_verdicts_total", "counter", "", ("judge", "kind", "verdict"),
        "Results of judges; the failure rate is fail / (pass + fail), a broken judge is error.",
        'sum by (judge) (rate(llm_judge_verdicts_total{verdict="fail"}[1h])) '
        '/ sum by (judge) (rate(llm_judge_verdicts_total{verdict=~"pass|fail"}[1h]))',
        exemplars=True,
        absent_when="no verdict has come",
    ),
    _quality(
        "llm_judge_score", "histogram", "", ("judge", "kind"),
        "Numeric scores scaled to 0-1 by the judge's declared range; others are left out.",
        "histogram_quantile(0.1, sum by (le, judge) (rate(llm_judge_score_bucket[1h])))",
        buckets="score", exemplars=True,
        absent_when="no verdict has come",
    ),
    _quality(
        "llm_judge_lag_seconds", "histogram", "seconds", ("judge",),
        "Time from the end of the judged work to its verdict, in seconds.",
        "histogram_quantile(0.95, sum by (le, judge) (rate(llm_judge_lag_seconds_bucket[1h])))",
        buckets="lag_seconds",
        absent_when="no verdict has come",
    ),
    _quality(
        "llm_content_findings_total", "counter", "", ("detector", "category", "direction"),
        "What content rules came upon in calls that they looked at: secrets, personal data, "
        "attempts at injection; direction is what the model was sent (input) or answered (output).",
        "sum by (detector, category) "
        '(rate(llm_content_findings_total{direction="output"}[15m]))',
        absent_when="no content rule has found anything (`content_rules`)",
    ),
    Family(
        "llm_judge_baseline_failure_ratio", "gauge", "Quality", "ratio", ("judge",),
        "Failure ratio promised for a judge before launch, 0-1, as configured.",
        'sum by (judge) (rate(llm_judge_verdicts_total{verdict="fail"}[1h])) '
        '/ sum by (judge) (rate(llm_judge_verdicts_total{verdict=~"pass|fail"}[1h])) '
        "> 2 * max by (judge) (llm_judge_baseline_failure_ratio)",
        expires=False,
        absent_when="no judge has a baseline (`judges.by_name.NAME.baseline_failure_ratio`)",
    ),
    _quality(
        "llm_judge_agreement_total", "counter", "", ("judge", "agrees"),
        "Verdicts of a judge that a human gave on the same subject, too; whether the two agree.",
        'sum by (judge) (rate(llm_judge_agreement_total{agrees="true"}[1d])) '
        "/ sum by (judge) (rate(llm_judge_agreement_total[1d]))",
        absent_when="nothing was judged by both a judge and a human",
    ),
    *JUDGE_FAMILIES,
    *PULLED_FAMILIES,
    _quality(
        "llm_feedback_total", "counter", "", ("rating", "source"),
        "Feedback of end users.",
        'sum by (service) (rate(llm_feedback_total{rating="negative"}[1h])) '
        "/ sum by (service) (rate(llm_feedback_total[1h]))",
        absent_when="no user has rated an answer",
    ),
    Family(
        "llm_slo_target", "gauge", "Targets", "", ("slo", *AIMED),
        "The worst value that is fine; a label that is absent holds for every value that no other "
        "target names. Configured, or a default.",
        'max by (slo) (llm_slo_target{service=""})',
        with_dimensions=True, expires=False,
    ),
    Family(
        "llm_budget_limit_usd", "gauge", "Targets", "usd", ("budget", "period"),
        "US dollars that may be spent in a period, as configured.",
        "llm_budget_limit_usd",
        expires=False,
        absent_when="no budgets are configured (`budgets`)",
    ),
    Family(
        "llm_budget_spent_usd", "gauge", "Targets", "usd", ("budget", "period"),
        "US dollars spent since the period began; counted while the budget was configured.",
        "sum by (budget) (llm_budget_spent_usd) / max by (budget) (llm_budget_limit_usd)",
        expires=False,
        absent_when="no budgets are configured (`budgets`)",
    ),
    Family(
        "llm_budget_forecast_usd", "gauge", "Targets", "usd", ("budget", "period"),
        "US dollars that the period will end with: days and weeks by the same hours of last week, "
        "longer periods at the pace of the last seven days.",
        "sum by (budget) (llm_budget_forecast_usd) > max by (budget) (llm_budget_limit_usd)",
        expires=False,
        absent_when="no budget has been counted for seven days (`budgets`)",
    ),
    Family(
        "llm_budget_elapsed_ratio", "gauge", "Targets", "ratio", ("budget", "period"),
        "How much of the period is over, 0-1.",
        "max by (budget) (llm_budget_elapsed_ratio)",
        expires=False,
        absent_when="no budgets are configured (`budgets`)",
    ),
    Family(
        "llm_budget_usual_ratio", "gauge", "Targets", "ratio", ("budget", "period"),
        "How much of a period's money is usually spent an hour from now, 0-1: in days and weeks as "
        "one or two weeks ago, in longer periods as time passes.",
        "sum by (budget) (llm_budget_spent_usd) / max by (budget) (llm_budget_limit_usd) "
        "/ max by (budget) (llm_budget_usual_ratio)",
        expires=False,
        absent_when="no budgets are configured (`budgets`), or none for a whole day or week of a "
        "week ago yet",
    ),
    *PROFILE_FAMILIES,
    *EXPORTER_FAMILIES,
    *SOURCE_FAMILIES,
)  # fmt: skip

FAMILY: Mapping[str, Family] = {family.name: family for family in FAMILIES}
