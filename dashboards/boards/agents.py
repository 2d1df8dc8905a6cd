"""For who builds agents: which one loops, which tool fails, what does retrieval find?"""

from __future__ import annotations

from .. import measures as m
from ..board import TRACE_LINK, Board, Row
from ..panels import Query, heatmap, series, stat, table
from ..promql import (
    RANGE,
    RATE,
    default_target,
    increase,
    mean,
    quantile,
    rate,
    ratio,
    top,
    top_and_rest,
)
from ..units import up_to

_TRACES = "llm_traces_total"
_LASTS = "llm_trace_duration_seconds"
_CALLS = "llm_trace_llm_calls"
_USES = "llm_trace_tool_calls"
_TOOLS = "llm_tool_calls_total"
_STEPS = "llm_step_duration_seconds"
_SCORE = "llm_retrieval_top_score"
_FOUND = "llm_retrieved_documents"


def _failed_traces(by: str = "", window: str = RATE) -> str:
    failed = rate(_TRACES, 'outcome="error"', by=by, window=window)
    return ratio(failed, rate(_TRACES, by=by, window=window))


def _failed_steps(by: str) -> str:
    failed = rate(f"{_STEPS}_count", 'outcome="error"', by=by)
    return ratio(failed, rate(f"{_STEPS}_count", by=by))


def _lines(q: float, histogram: str, by: str) -> str:
    return m.quantile_lines(quantile(q, histogram, by=by), histogram, by)


SHOWN = Row(
    "In the time shown",
    (
        stat("Failed traces", "Requests of users that failed as a whole.",
             "traces with outcome error / traces", "percentunit", _failed_traces(window=RANGE),
             up_to(0.02, 0.05), decimals=2),
        stat("Failed tool calls", "Tools that were executed and failed.",
             "failed / executed tool calls", "percentunit", m.tool_failures(window=RANGE),
             up_to(0.05, 0.15), decimals=1, target=default_target("tool_failure_ratio")),
        stat("Empty retrievals", "Searches that found nothing.",
             "retrievals without documents / retrievals", "percentunit",
             m.empty_retrievals(window=RANGE), up_to(0.05, 0.15), decimals=1,
             target=default_target("retrieval_empty_ratio")),
        stat("A trace takes (p95)", "95 % of users' requests took no longer.",
             "95th percentile of llm_trace_duration_seconds", "s",
             quantile(0.95, _LASTS, window=RANGE), decimals=1),
        stat("Calls a trace (p95)", "Model calls behind one request of a user.",
             "95th percentile of llm_trace_llm_calls", "none",
             quantile(0.95, _CALLS, window=RANGE), decimals=1),
        m.sample_size("traces", _LASTS, height=4),
    ),
)  # fmt: skip

WHOLE = Row(
    "Whole traces",
    (
        series("Failed traces by root", "By the name of the outermost span, the worst.",
               "traces with outcome error / traces", "percentunit",
               Query(top(_failed_traces("root"), "root"), "{{root}}")),
        series("Traces by root", "What users asked for.", "rate of llm_traces_total",
               "traces/s", Query(top_and_rest(rate(_TRACES, by="root"), "root"), "{{root}}"),
               stacked=True),
        *m.with_samples(
            series("Duration, p95 by root", "95 % of the traces took no longer; the dots are "
                   "single traces.", "95th percentile of llm_trace_duration_seconds", "s",
                   Query(_lines(0.95, _LASTS, "root"), "{{root}}", exemplar=True),
                   links=(TRACE_LINK,)),
            "durations", _LASTS, by="root"),
        heatmap("Durations", "How traces spread over the buckets.",
                "increase of llm_trace_duration_seconds_bucket", "s",
                increase(f"{_LASTS}_bucket", by="le", window=RATE), links=(TRACE_LINK,),
                exemplar=True),
        *m.with_samples(
            series("Model calls a trace, p95 by root", "An agent that loops rises here first.",
                   "95th percentile of llm_trace_llm_calls", "none",
                   Query(_lines(0.95, _CALLS, "root"), "{{root}}", exemplar=True),
                   links=(TRACE_LINK,)),
            "model calls", _CALLS, by="root"),
        *m.with_samples(
            series("Tool calls a trace, p95 by root", "Tools executed for one request.",
                   "95th percentile of llm_trace_tool_calls", "none",
                   Query(_lines(0.95, _USES, "root"), "{{root}}")),
            "tool calls", _USES, by="root"),
        series("Dollars a trace by root", "What one request of a user costs. Dashed: the "
               "targets.", "dollars of traces / traces", "currencyUSD",
               Query(top(mean("llm_trace_cost_usd", by="root"), "root"), "{{root}}"),
               m.target("cost_per_trace_usd")),
        series("Tokens a trace by root", "All token types together, on the mean.",
               "tokens of traces / traces", "short",
               Query(top(mean("llm_trace_tokens", by="root"), "root"), "{{root}}")),
    ),
)  # fmt: skip

TOOLS = Row(
    "Tools",
    (
        series("Failed calls by tool", "Dashed: the targets.", "failed / executed tool calls",
               "percentunit",
               Query(top(m.tool_failures("tool"), "tool"), "{{tool}}"),
               m.target("tool_failure_ratio")),
        series("Failures by tool and type", "What tools answered instead.",
               "rate of llm_tool_calls_total with outcome error", "calls/s",
               Query(top_and_rest(rate(_TOOLS, 'outcome="error"', by="tool, error_type"),
                                  "tool, error_type"), "{{tool}} {{error_type}}"),
               stacked=True),
        table("Tools", "Each tool over the time shown, the failing first.",
              "as in the panels of the same names, by service and tool", ("service", "tool"),
              m.ranged("Calls", increase(_TOOLS, by="service, tool")),
              m.ranged("Failed", m.tool_failures("service, tool"), "percentunit",
                       *up_to(0.05, 0.15)), sort=1),
    ),
)  # fmt: skip

STEPS = Row(
    "Steps",
    (
        *m.with_samples(
            series("Steps take, p95 by kind and name", "95 % of the steps took no longer; the "
                   "dots are single steps.", "95th percentile of llm_step_duration_seconds", "s",
                   Query(_lines(0.95, _STEPS, "step, name"), "{{step}} {{name}}",
                         exemplar=True), links=(TRACE_LINK,)),
            "steps", _STEPS, by="step, name"),
        series("Failed steps by kind and name", "Agents, workflows, retrievals, guardrails, "
               "tools.", "steps with outcome error / steps", "percentunit",
               Query(top(_failed_steps("step, name"), "step, name"), "{{step}} {{name}}")),
    ),
)  # fmt: skip

RETRIEVAL = Row(
    "Retrieval",
    (
        series("Empty retrievals by name", "The index is stale, or the filter too narrow. "
               "Dashed: the targets.", "retrievals without documents / retrievals",
               "percentunit", Query(top(m.empty_retrievals("service, name"), "service, name"),
                     "{{service}} {{name}}"),
               m.target("retrieval_empty_ratio")),
        series("Documents a retrieval", "How many came back on the mean.",
               "documents / retrievals", "none",
               Query(top(mean(_FOUND, by="service, name"), "service, name"),
                     "{{service}} {{name}}")),
        *m.with_samples(
            series("Weak retrievals by name", "In one retrieval of ten even the best document "
                   "scores no higher; the dots are single ones.",
                   "10th percentile of llm_retrieval_top_score", "none",
                   Query(_lines(0.1, _SCORE, "service, name"), "{{service}} {{name}}",
                         exemplar=True), links=(TRACE_LINK,)),
            "best scores", _SCORE, by="service, name"),
        heatmap("Best scores", "How the best score of a retrieval spreads.",
                "increase of llm_retrieval_top_score_bucket", "none",
                increase(f"{_SCORE}_bucket", by="le", window=RATE)),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-agents", "Agents, tools & RAG",
    "Whole traces, and the steps in them that are not model calls.",
    (SHOWN, WHOLE, TOOLS, STEPS, RETRIEVAL), hours=6,
)  # fmt: skip
