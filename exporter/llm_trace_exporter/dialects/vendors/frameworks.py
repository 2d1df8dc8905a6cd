"""Agent frameworks, gateways and provider SDKs that write OTel's conventions with a twist or two.

Google ADK: google/adk-python, `telemetry/tracing.py`. Strands: strands-agents/sdk-python,
`telemetry/tracer.py`. Microsoft Agent Framework: microsoft/agent-framework, `observability.py`.
Anthropic SDK: anthropics/anthropic-sdk-python. Weave, Datadog, Portkey and Helicone take or relay
OTel and OpenInference spans; where their own marks are on a span it is named after them.
"""

from __future__ import annotations

from ..schema import STRUCTURE, Dialect, key, keys
from .semconv import OPERATIONS

ANTHROPIC_SDK = Dialect(
    name="anthropic_sdk",
    scopes=("com.anthropic.sdk",),
    kind_keys=("gen_ai.operation.name",),
    kinds=OPERATIONS,
)

STRANDS = Dialect(
    name="strands",
    scopes=("strands",),
    kind_keys=("gen_ai.operation.name",),
    kinds=OPERATIONS,
    # Strands always streams from the model, without saying so.
    always_streams=True,
    fields={"ttft": keys(key("gen_ai.server.time_to_first_token", scale=1e-3))},
)

GOOGLE_ADK = Dialect(
    name="google_adk",
    scopes=("gcp.vertex.agent",),
    kind_keys=("gen_ai.operation.name",),
    kinds={**OPERATIONS, "call_llm": STRUCTURE, "send_data": STRUCTURE},
)

AGENT_FRAMEWORK = Dialect(
    name="agent_framework",
    scopes=("agent_framework", "Microsoft.Agents", "Experimental.Microsoft.Agents"),
    kind_keys=("gen_ai.operation.name",),
    kinds=OPERATIONS,
)

PORTKEY = Dialect(
    name="portkey",
    detect_by=("portkey.trace_id", "portkey.request_id", "portkey.config"),
    scopes=("portkey",),
    kind_keys=("gen_ai.operation.name",),
    kinds=OPERATIONS,
    fields={
        "cost": keys("gen_ai.usage.cost", "portkey.cost"),
        "retries": keys("portkey.retry_attempt_count", "portkey.retry.count"),
        "cache_hit": keys("portkey.cache_hit"),
    },
)

HELICONE = Dialect(
    name="helicone",
    detect_by=("helicone.request_id", "helicone.id"),
    scopes=("helicone",),
    kind_keys=("gen_ai.operation.name", "llm.request.type"),
    kinds=OPERATIONS,
    fields={
        "cost": keys("gen_ai.usage.cost", "helicone.cost"),
        "cache_hit": keys("helicone.cache_hit"),
    },
)

WEAVE = Dialect(
    name="weave",
    detect_by=("wandb.thread_id", "weave.op_name"),
    scopes=("weave",),
    resources=("wandb.project",),
    kind_keys=("gen_ai.operation.name",),
    kinds=OPERATIONS,
)

DATADOG = Dialect(
    name="datadog",
    detect_by=("_dd.ml_obs.span_kind", "dd.ml_obs.span_kind"),
    scopes=("ddtrace", "datadog"),
    kind_keys=("gen_ai.operation.name",),
    kinds=OPERATIONS,
)
