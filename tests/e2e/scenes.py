"""What has to ring when, and at whom: every incident of the simulator, every alert of the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.e2e.incidents import History

_INCIDENT = "@-50m+1h"
"""Rules that look at the time before the last hour must not see it."""
_GAP = ("95m+1355m",)
"""Between yesterday at this time and today nothing is written, which saves time."""
_GAPS = ("0m+1260m", "1560m+8430m", "10085m+1355m")
"""The same from 8 days ago, but for five hours a week ago."""
_NOTHING = ("exporter-down", "traffic-drop")
_AT_NOON = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
"""Where it is about noon (its sign is POSIX's), so that a daily budget is half over."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One bad day."""

    rings: Mapping[str, str]  # alert and severity -> who hears of it, a space between two
    also: str = ""
    """Others that may ring: consequences, or chance."""
    incidents: tuple[str, ...] = ()
    """Empty: the one of the scene's name. Each may say when, as `--incident` does."""
    needs_yesterday: bool = False
    needs_week: bool = False
    """And yesterday."""
    config: Mapping[str, Any] | None = None
    """Of the exporter."""
    rate: float = 0.5
    services: tuple[str, ...] = ()
    """Those that are needed to see it; empty: all."""


def history(name: str, scene: Scene) -> History:
    """What is simulated of a scene."""
    bad = tuple(one if "@" in one else one + _INCIDENT for one in scene.incidents or (name,))
    length, gaps = "80m", tuple[str, ...]()
    if scene.needs_yesterday:
        length, gaps = "1530m", _GAP
    if scene.needs_week:
        length, gaps = "11520m", _GAPS
    bad += tuple(f"{nothing}@{gap}" for nothing in _NOTHING for gap in gaps)
    return History(name, bad, length, scene.rate, scene.config, scene.services)


def merged(scenes: Mapping[str, Scene]) -> Scene:
    """All of them at once."""
    return Scene(
        rings={alert: who for scene in scenes.values() for alert, who in scene.rings.items()},
        incidents=tuple(scenes),
        needs_yesterday=any(scene.needs_yesterday for scene in scenes.values()),
        config={k: v for scene in scenes.values() for k, v in (scene.config or {}).items()},
    )


BOT, DOCS, AGENT = ("support-bot",), ("docs-search",), ("coding-agent",)
BATCH, SHOP = ("batch-summariser",), ("checkout-assistant",)

BY_ENVIRONMENT: Mapping[str, Scene] = {
    "provider-outage": Scene(
        rate=1.5,
        services=BOT + SHOP,
        rings={"LLMProviderErrorsHigh critical": "pager"},
    ),
    "model-outage": Scene(
        rate=1.5, services=BOT + SHOP, rings={"LLMModelErrorsHigh critical": "pager"}
    ),
    "provider-errors": Scene(
        services=AGENT,
        rings={
            "LLMProviderErrorsHigh warning": "slack-llm",
            "LLMErrorBudgetBurn warning": "slack-llm",
        },
    ),
    "rate-limit": Scene(
        services=BOT + SHOP,
        rings={
            "LLMRateLimited warning": "slack-llm slack-payments",
            "LLMProviderErrorsHigh warning": "slack-llm",
        },
        also="LLMRetryStorm LLMErrorBudgetBurn",
    ),
    "auth": Scene(
        rate=1.5,
        services=AGENT,
        rings={"LLMAuthenticationFailing critical": "pager"},
    ),
    "auth-quota": Scene(
        rate=1.5,
        services=BOT + SHOP,
        rings={"LLMQuotaExhausted critical": "pager payments-pager"},
    ),
    "timeouts": Scene(
        services=BATCH,
        rings={
            "LLMTimeouts warning": "slack-llm",
            "LLMTraceFailuresHigh warning": "slack-llm",
            "LLMProviderErrorsHigh warning": "slack-llm",
            "LLMErrorBudgetBurn critical": "pager",
            "LLMLatencyBudgetBurn warning": "slack-llm",
        },
        also="LLMLatencyP95High",
    ),
    "slow-provider": Scene(
        services=BOT + SHOP,
        rings={
            "LLMLatencyRegression warning": "slack-llm slack-payments",
            "LLMStreamingSlow warning": "slack-llm slack-payments",
            "LLMLatencyP95High warning": "slack-llm",
            "LLMTimeToFirstTokenHigh warning": "slack-llm",
            "LLMFeatureLatencyHigh warning": "slack-llm",
            "LLMLatencyBudgetBurn critical": "pager",
        },
        needs_yesterday=True,
        config={
            "slos": [
                {
                    "slo": "latency_p95_seconds",
                    "target": 14,
                    "match": {"service": "support-bot", "feature": "answer"},
                },
                {
                    "slo": "latency_p95_seconds",
                    "target": 12,
                    "match": {"service": "support-bot", "environment": "slow-provider"},
                },
            ]
        },
    ),
    "slow-first-token": Scene(
        services=BOT + SHOP,
        rings={"LLMTimeToFirstTokenHigh warning": "slack-llm slack-payments"},
    ),
    "saturation": Scene(
        services=BATCH,
        rings={
            "LLMHistogramSaturated info": "slack-quiet",
            "LLMLatencyBudgetBurn critical": "pager",
            "LLMLatencyP95High warning": "slack-llm",
        },
    ),
    "cost-spike": Scene(
        services=AGENT,
        rings={
            "LLMSpendSpike critical": "pager",
            "LLMTeamSpendSpike warning": "finops",
            "LLMUnitCostRegression warning": "finops",
            "LLMBudgetSpent critical": "pager",
            "LLMBudgetBurn warning": "finops",
            "LLMBudgetForecastExceeded warning": "finops",
        },
        also="LLMLatencyBudgetBurn LLMLatencyP95High LLMLatencyRegression LLMStepSlow",
        needs_week=True,
        config={
            "budgets": [
                {
                    "name": "cost-spike",
                    "limit_usd": 0.1,
                    "period": "daily",
                    "timezone": _AT_NOON,
                },
                {"name": "elsewhere", "limit_usd": 0.1, "period": "daily", "timezone": _AT_NOON},
            ]
        },
    ),
    "budget": Scene(
        services=AGENT,
        rings={"LLMBudgetSpent warning": "finops"},
        also="LLMBudgetBurn LLMBudgetForecastExceeded LLMSpendSpike LLMTeamSpendSpike "
        "LLMLatencyBudgetBurn LLMLatencyP95High",
        incidents=("cost-spike",),
        config={
            "pricing": {
                "contracts": [
                    {
                        "provider": "anthropic",
                        "model": "claude-sonnet-*",
                        "usd_per_million_tokens": {"input": 1, "output": 1},
                    }
                ]
            },
            "budgets": [
                {
                    "name": "budget",
                    "limit_usd": 125,
                    "period": "daily",
                    "timezone": _AT_NOON,
                    "match": {"service": "coding-agent"},
                },
            ],
        },
    ),
    "token-bloat": Scene(
        services=BOT,
        rings={
            "LLMSpendSpike warning": "finops",
            "LLMUnitCostRegression warning": "finops",
            "LLMCostPerRequestHigh warning": "finops",
            "LLMCostPerTraceHigh warning": "finops",
        },
        also="LLMTeamSpendSpike LLMLatencyRegression",
        needs_week=True,
        config={
            "slos": [
                {
                    "slo": slo,
                    "target": 0.009,
                    "match": {"service": "support-bot", "environment": "token-bloat"},
                }
                for slo in ("cost_per_request_usd", "cost_per_trace_usd")
            ]
        },
    ),
    "cache-miss": Scene(
        services=AGENT,
        rings={"LLMCacheHitDrop warning": "finops", "LLMUnitCostRegression warning": "finops"},
        also="LLMCostAssumed",
        needs_yesterday=True,
    ),
    "judge-regression": Scene(
        services=DOCS,
        rings={
            "LLMJudgeFailureBudgetBurn critical": "pager",
            "LLMJudgeFailureRatioHigh warning": "slack-llm",
            "LLMFeatureJudgeFailuresHigh warning": "slack-llm",
            "LLMJudgeFailureAboveBaseline critical": "pager",
        },
        config={
            "judges": {"by_name": {"faithfulness": {"baseline_failure_ratio": 0.05}}},
            "slos": [
                {
                    "slo": "judge_failure_ratio",
                    "target": 0.05,
                    "match": {"service": "docs-search", "feature": "ask-docs"},
                }
            ],
        },
    ),
    "judge-down": Scene(
        services=BOT + SHOP, rings={"LLMJudgeBroken warning": "slack-llm slack-payments"}
    ),
    "judge-stalled": Scene(
        services=BOT + SHOP, rings={"LLMJudgeStalled warning": "slack-llm slack-payments"}
    ),
    "judge-cost": Scene(
        rate=1.5,
        services=DOCS,
        rings={"LLMJudgeCostShareHigh warning": "slack-llm"},
        also="LLMSpendSpike LLMTeamSpendSpike",
    ),
    "judge-labels": Scene(services=BOT, rings={"LLMJudgeResultsUnscored info": "slack-quiet"}),
    "negative-feedback": Scene(
        services=BOT + SHOP, rings={"LLMNegativeFeedbackHigh warning": "slack-llm slack-payments"}
    ),
    "refusals": Scene(
        services=BOT + SHOP, rings={"LLMRefusalsHigh warning": "slack-llm slack-payments"}
    ),
    "truncation": Scene(
        services=BOT + SHOP, rings={"LLMTruncatedOutputs warning": "slack-llm slack-payments"}
    ),
    "prompt-injection": Scene(
        services=BOT,
        incidents=("prompt-injection@-17m+30m",),
        rings={
            "LLMGuardrailBlocksHigh warning": "security",
            "LLMPromptInjectionSpike warning": "security",
        },
        also="LLMJudgeFailureBudgetBurn LLMJudgeFailureRatioHigh",
    ),
    "guardrail-down": Scene(services=BOT, rings={"LLMGuardrailFailing warning": "security"}),
    "guardrail-silent": Scene(
        services=BOT, rings={"LLMGuardrailSilent critical": "security-pager"}
    ),
    "content-filter": Scene(
        services=BOT + SHOP,
        rings={
            "LLMContentFilterErrors warning": "slack-llm slack-payments",
            "LLMProviderErrorsHigh warning": "slack-llm",
        },
        also="LLMErrorBudgetBurn",
    ),
    "retry-storm": Scene(
        services=SHOP,
        rings={"LLMRetryStorm warning": "slack-payments"},
        also="LLMErrorBudgetBurn LLMProviderErrorsHigh",
    ),
    "fallback-storm": Scene(services=SHOP, rings={"LLMFallbackStorm warning": "slack-payments"}),
    "feature-errors": Scene(
        services=SHOP,
        rings={"LLMFeatureErrorsHigh warning": "slack-payments"},
        also="LLMRetryStorm LLMErrorBudgetBurn LLMProviderErrorsHigh",
        incidents=("retry-storm",),
        config={
            "slos": [
                {
                    "slo": "error_ratio",
                    "target": 0.02,
                    "match": {"service": "checkout-assistant", "feature": "upsell"},
                }
            ]
        },
    ),
    "traffic-drop": Scene(
        services=BOT + SHOP,
        rings={"LLMTrafficDrop warning": "slack-llm slack-payments"},
        needs_week=True,
    ),
    "traffic-spike": Scene(
        services=BOT + SHOP,
        rings={
            "LLMTrafficSpike warning": "slack-llm slack-payments",
            "LLMTeamSpendSpike warning": "finops",
        },
        needs_week=True,
        also="LLMPromptInjectionSpike LLMSpendSpike",
    ),
    "agent-loop": Scene(
        services=AGENT,
        rings={
            "LLMAgentLoopSuspected warning": "slack-llm",
            "LLMToolLoopSuspected warning": "slack-llm",
            "LLMCallsPerTraceRising info": "slack-quiet",
        },
        also="LLMSpendSpike LLMTeamSpendSpike LLMStepSlow LLMTrafficSpike",
        needs_yesterday=True,
    ),
    "tool-outage": Scene(rate=1.5, services=AGENT, rings={"LLMToolFailuresHigh critical": "pager"}),
    "tool-failure": Scene(
        rate=1.5,
        services=AGENT + SHOP,
        rings={"LLMToolFailuresHigh warning": "slack-llm slack-payments"},
    ),
    "slow-steps": Scene(
        services=DOCS, rings={"LLMStepSlow warning": "slack-llm"}, needs_yesterday=True
    ),
    "retrieval-empty": Scene(services=BOT, rings={"LLMRetrievalEmpty warning": "slack-llm"}),
    "retrieval-poor": Scene(
        services=DOCS,
        rings={"LLMRetrievalScoresDropped warning": "slack-llm"},
        needs_yesterday=True,
    ),
    "unpriced-model": Scene(
        services=SHOP,
        rings={"LLMUnpricedModel warning": "finops", "LLMUnpricedRequests warning": "finops"},
        also="LLMModelRoutingChanged",
    ),
    "model-routing": Scene(services=BOT, rings={"LLMModelRoutingChanged warning": "slack-llm"}),
    "context-length": Scene(
        services=DOCS,
        rings={
            "LLMContextLengthExceeded warning": "slack-llm",
            "LLMProviderErrorsHigh warning": "slack-llm",
            "LLMErrorBudgetBurn warning": "slack-llm",
        },
    ),
    "label-flood": Scene(
        services=SHOP,
        rings={
            "LLMExporterLabelValuesNearLimit info": "slack-quiet",
            "LLMExporterSeriesNearLimit warning": "slack-platform",
        },
        config={"series": {"max_per_family": 300}},
    ),
    "small-tables": Scene(
        services=BOT + DOCS,
        rings={
            "LLMExporterEvictions warning": "slack-platform",
            "LLMExporterPendingNearLimit warning": "slack-platform",
        },
        also="LLMPromptInjectionSpike",
        incidents=("traffic-spike",),
        config={
            "limits": {"max_pending": 100, "max_spans": 200, "max_remembered": 100},
            "decision_wait": "30s",
        },
    ),
    "crash-loop": Scene(
        services=BOT,
        rings={
            "LLMExporterRestarting warning": "slack-platform",
            "LLMCostCounterResets warning": "finops",
        },
        also="LLMExporterInstanceDown",
    ),
    "exporter-down": Scene(
        services=BATCH, rings={"LLMExporterInstanceDown warning": "slack-platform"}
    ),
}
"""Each in an environment of its own, all before one Prometheus."""

OF_FEATURES = {"LLMFeatureErrorsHigh", "LLMFeatureLatencyHigh", "LLMFeatureJudgeFailuresHigh"}
"""A target of a feature holds in all environments, so these may ring in any scene."""
