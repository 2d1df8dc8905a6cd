"""For who answers for safety: attacks, leaks, refusals, and bills that run away."""

from __future__ import annotations

from .. import measures as m
from ..board import Board, Row
from ..panels import Query, bars, series, stat, table
from ..promql import (
    NOT_JUDGES,
    RANGE,
    default_target,
    increase,
    mean,
    named,
    rate,
    top,
    top_and_rest,
)
from ..units import ANY_IS_BAD, PLAIN, up_to

_CHECKS = "llm_guardrail_checks_total"
_FINDINGS = "llm_content_findings_total"
_REASONS = "llm_finish_reasons_total"
_REFUSALS = "refusal|content_filter"

SHOWN = Row(
    "In the time shown",
    (
        stat("Blocked", "Guardrail checks that blocked.", "action block / checks", "percentunit",
             m.blocked(window=RANGE), up_to(0.05, 0.15), decimals=1,
             target=default_target("guardrail_block_ratio")),
        stat("Guardrail checks", "0 while there is traffic: a guardrail is off.",
             "increase of llm_guardrail_checks_total", "short", increase(_CHECKS),
             ((None, "red"), (1, "blue")), decimals=0),
        stat("Findings in answers", "Secrets, personal data and their like that models wrote; "
             "needs `content_rules`.", "increase of llm_content_findings_total, output", "short",
             increase(_FINDINGS, 'direction="output"'), ANY_IS_BAD, decimals=0),
        stat("Findings in requests", "What content rules came upon in what models were sent.",
             "increase of llm_content_findings_total, input", "short",
             increase(_FINDINGS, 'direction="input"'), PLAIN, decimals=0),
        stat("Refused or filtered", "Answers that the model or provider withheld.",
             "finish reasons refusal and content_filter / finish reasons", "percentunit",
             m.finished(_REFUSALS, window=RANGE), up_to(0.02, 0.1), decimals=2,
             target=default_target("refusal_ratio")),
        stat("Requests turned away", "Batches of traces that the exporter refused: wrong tokens, "
             "too large, malformed.", "increase of llm_exporter_requests_rejected_total",
             "short", f"sum(increase(llm_exporter_requests_rejected_total[{RANGE}]))",
             ANY_IS_BAD, decimals=0),
    ),
)  # fmt: skip

GUARDRAILS = Row(
    "Guardrails",
    (
        series("Blocked by guardrail", "A spike is an attack, or a guardrail that went wrong. "
               "Dashed: the targets.", "action block / checks", "percentunit",
               Query(top(m.blocked("guardrail"), "guardrail"), "{{guardrail}}"),
               m.target("guardrail_block_ratio")),
        series("Blocked by service", "Who is attacked. Dashed: the targets.",
               "action block / checks", "percentunit",
               Query(top(m.blocked("service"), "service"), "{{service}}"),
               m.target("guardrail_block_ratio")),
        series("Actions", "What guardrails did; a line that falls to 0 is a guardrail that is "
               "off.", "rate of llm_guardrail_checks_total", "checks/s",
               Query(top_and_rest(rate(_CHECKS, by="guardrail, action"), "guardrail, action"),
                     "{{guardrail}} {{action}}"), stacked=True),
        table("Checks", "Each guardrail over the time shown.", "by service and guardrail",
              ("service", "guardrail"),
              m.ranged("Checks", increase(_CHECKS, by="service, guardrail")),
              m.ranged("Blocked", m.blocked("service, guardrail"), "percentunit",
                       *up_to(0.05, 0.15)), sort=1, width=12),
    ),
)  # fmt: skip

CONTENT = Row(
    "Contents",
    (
        series("Findings", "Secrets, personal data, attempts at injection; needs "
               "`content_rules`.", "increase of llm_content_findings_total", "short",
               Query(increase(_FINDINGS, by="detector, direction", window="$__rate_interval"),
                     "{{detector}} {{direction}}"), stacked=True),
        table("What was found", "By kind and way, over the time shown; a finding in the output "
              "is a leak.", "increase of llm_content_findings_total",
              ("service", "direction", "detector", "category"),
              m.ranged("Findings", increase(_FINDINGS,
                                            by="service, direction, detector, category")),
              width=12),
        series("Refused or filtered by service", "Dashed: the targets.",
               "finish reasons refusal and content_filter / finish reasons", "percentunit",
               Query(top(m.finished(_REFUSALS, "service"), "service"), "{{service}}"),
               m.target("refusal_ratio")),
        series("Why generations ended", "Everything but stop and tool_calls is worth a look.",
               "rate of llm_finish_reasons_total", "events/s",
               Query(rate(_REASONS, NOT_JUDGES, by="reason"), "{{reason}}"), stacked=True),
        series("Failing judges", "The worst, those of safety, too, where there are 5 verdicts or "
               "more; choose yours above. Dashed: the targets.", "fail / (pass + fail)",
               "percentunit",
               Query(m.judge_failure_lines("judge", of=('kind!="human"',)), "{{judge}}"),
               m.target("judge_failure_ratio"), width=24, least_step="15m"),
    ),
)  # fmt: skip

WALLET = Row(
    "Abuse",
    (
        series("Spend by feature", "A bill that runs away shows as one feature.",
               "3600 x rate of llm_cost_usd_total", "$/h",
               Query(named(top_and_rest(m.dollars_an_hour("service, feature"),
                                        "service, feature"), "feature"),
                     "{{service}} {{feature}}"),
               stacked=True),
        series("Input tokens a request", "Stuffed prompts are larger than usual.",
               "input tokens / calls with known usage", "short",
               Query(top(mean("llm_request_input_tokens", NOT_JUDGES, by="service"), "service"),
                     "{{service}}")),
        series("Made-up label values", "Senders that invent names: what is past a label's cap "
               "shows as other.", "increase of llm_exporter_label_overflow_total", "short",
               Query("sum by (label) "
                     "(increase(llm_exporter_label_overflow_total[$__rate_interval]))",
                     "{{label}}"), stacked=True),
        bars("Requests turned away by reason", "What the exporter refused to read.",
             "increase of llm_exporter_requests_rejected_total", "short",
             f"sum by (source, reason) (increase(llm_exporter_requests_rejected_total[{RANGE}]))",
             "{{source}} {{reason}}", ((None, "orange"),), width=12),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-safety", "Safety",
    "Attacks, leaks, refusals and abuse.", (SHOWN, GUARDRAILS, CONTENT, WALLET),
    hours=24,
)  # fmt: skip
