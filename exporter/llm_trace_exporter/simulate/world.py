"""The applications that are simulated: a small company's five, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

PipelineName = Literal["chat", "rag", "agent", "batch", "checkout"]
Curve = Literal["office", "evening", "night", "steady"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model as a provider serves it. Speeds are medians of a healthy day."""

    provider: str
    request: str
    response: str
    first_token_s: float
    per_token_s: float
    cached: float = 0.0
    """Share of the input that comes from the provider's prompt cache."""
    reasoning: float = 0.0
    """Share of the output that is reasoning."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt template and the versions of it in use, the newest last."""

    name: str
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """One judge of answers."""

    name: str
    passes: str
    """Label of an answer that is fine."""
    fails: str
    failures: float
    """Share of answers that fail on a healthy day."""
    share: float
    """Of the answers that it looks at."""
    kind: Literal["llm", "code"] = "llm"
    """Code judges at once, a model later and at a price."""


@dataclass(frozen=True, slots=True)
class Service:
    """One application."""

    name: str
    pipeline: PipelineName
    team: str
    features: tuple[str, ...]
    models: tuple[Model, ...]
    """The one that is used most comes first."""
    prompts: tuple[Prompt, ...]
    judges: tuple[Judge, ...]
    weight: float
    """Share of all traffic."""
    curve: Curve
    tools: tuple[str, ...] = ()
    guardrails: tuple[str, ...] = ()
    feedback: float = 0.0
    """Share of answers that users rate."""
    input_tokens: int = 1_200
    output_tokens: int = 250


@dataclass(frozen=True, slots=True)
class Profile:
    """What is simulated."""

    services: tuple[Service, ...]
    environments: tuple[tuple[str, float], ...]
    """(name, share of the traffic)."""


GPT_4O = Model("openai", "gpt-4o", "gpt-4o-2024-08-06", 0.45, 0.012, cached=0.35)
GPT_4O_MINI = Model("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 0.3, 0.008, cached=0.35)
GPT_5_MINI = Model("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07", 0.9, 0.009, 0.3, reasoning=0.5)
EMBEDDING = Model("openai", "text-embedding-3-small", "text-embedding-3-small", 0.08, 0.0)
SONNET = Model(
    "anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 0.8, 0.014, cached=0.75
)
HAIKU = Model("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001", 0.4, 0.007, cached=0.6)
BEDROCK_HAIKU = Model(
    "aws.bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0",
    "anthropic.claude-3-5-haiku-20241022-v1:0", 0.6, 0.01,
)  # fmt: skip
GEMINI_FLASH = Model("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash", 0.35, 0.006, 0.2, 0.3)
LLAMA = Model("ollama", "llama3.1:8b", "llama3.1:8b", 0.25, 0.02)
RERANKER = Model("cohere", "rerank-v3.5", "rerank-v3.5", 0.12, 0.0)

SERVICES = (
    Service(
        "support-bot", "chat", "support", ("answer", "triage"), (GPT_4O, GPT_4O_MINI),
        (Prompt("support-answer", ("7", "8")),),
        (
            Judge("answer_relevance", "relevant", "irrelevant", 0.04, 0.35),
            Judge("toxicity", "non-toxic", "toxic", 0.004, 0.35),
            Judge("json_schema", "pass", "fail", 0.01, 1.0, "code"),
        ),
        0.34, "office", guardrails=("prompt_injection", "pii_filter"), feedback=0.2,
    ),
    Service(
        "docs-search", "rag", "platform", ("ask-docs",), (HAIKU, GEMINI_FLASH),
        (Prompt("docs-answer", ("3",)),),
        (
            Judge("faithfulness", "faithful", "unfaithful", 0.03, 0.5),
            Judge("correctness", "correct", "incorrect", 0.06, 0.3),
        ),
        0.24, "office", guardrails=("topic_filter",), feedback=0.12, input_tokens=3_200,
    ),
    Service(
        "coding-agent", "agent", "devtools", ("fix-bug", "review"), (SONNET, GPT_5_MINI),
        (Prompt("coding-system", ("2025-10", "2025-11")),),
        (Judge("task_completion", "complete", "incomplete", 0.08, 0.4),),
        0.1, "office", tools=("read_file", "run_tests", "search_code", "jira.get_ticket"),
        input_tokens=9_000, output_tokens=420,
    ),
    Service(
        "batch-summariser", "batch", "data", ("nightly-digest",), (BEDROCK_HAIKU, LLAMA),
        (Prompt("digest", ("1",)),),
        (Judge("summary_coverage", "complete", "incomplete", 0.05, 0.1),),
        0.14, "night", input_tokens=5_500, output_tokens=380,
    ),
    Service(
        "checkout-assistant", "checkout", "payments", ("upsell", "size-advice"),
        (GPT_4O_MINI, HAIKU),
        (Prompt("checkout-advice", ("12", "13")),),
        (Judge("policy_compliance", "compliant", "non-compliant", 0.02, 0.25),),
        0.18, "evening", tools=("get_cart", "get_stock"), guardrails=("content_policy",),
        feedback=0.08, input_tokens=700, output_tokens=120,
    ),
)  # fmt: skip


def _smaller(service: Service) -> Service:
    return replace(
        service,
        features=service.features[:1],
        models=service.models[:1],
        judges=service.judges[:2],
        tools=service.tools[:2],
        prompts=tuple(Prompt(p.name, p.versions[-1:]) for p in service.prompts),
    )


_SMALLER = tuple(map(_smaller, SERVICES))
PROFILES: Mapping[str, Profile] = {
    "full": Profile(SERVICES, (("production", 0.9), ("staging", 0.1))),
    "small": Profile(_SMALLER, (("production", 1.0),)),
    "steady": Profile(
        tuple(replace(service, curve="steady") for service in _SMALLER), (("production", 1.0),)
    ),
}
"""`small` has the same applications with fewer features, models and prompt versions, so that a week
of history is written in a minute. In `steady` they also have as much to do at night as at noon, so
that what comes of it does not depend on when it is run."""

_CURVES: Mapping[Curve, tuple[float, ...]] = {
    "office": (
        0.30, 0.25, 0.22, 0.22, 0.25, 0.35, 0.55, 0.95, 1.45, 1.75, 1.85, 1.80,
        1.55, 1.70, 1.85, 1.80, 1.65, 1.35, 1.05, 0.85, 0.70, 0.55, 0.45, 0.36,
    ),
    "evening": (
        0.45, 0.30, 0.22, 0.20, 0.20, 0.25, 0.40, 0.60, 0.80, 0.95, 1.05, 1.20,
        1.30, 1.15, 1.05, 1.05, 1.15, 1.40, 1.75, 2.00, 2.05, 1.80, 1.30, 0.80,
    ),
    "night": (
        2.10, 2.60, 2.80, 2.60, 2.10, 1.40, 0.80, 0.55, 0.50, 0.50, 0.50, 0.50,
        0.50, 0.50, 0.50, 0.50, 0.50, 0.50, 0.55, 0.60, 0.70, 0.90, 1.30, 1.70,
    ),
    "steady": (1.0,) * 24,
}  # fmt: skip
_WEEKDAYS: Mapping[Curve, tuple[float, ...]] = {
    "office": (1.20, 1.25, 1.22, 1.18, 1.05, 0.55, 0.55),
    "evening": (0.85, 0.85, 0.90, 0.95, 1.15, 1.25, 1.05),
    "night": (1.0,) * 7,
    "steady": (1.0,) * 7,
}
_DAY_S, _HOUR_S = 86_400, 3_600
_MONDAY_S = 4 * _DAY_S
"""1970-01-05, a Monday, in Unix seconds."""


def load(curve: Curve, unix_s: float) -> float:
    """How busy a moment (UTC) is, beside the week's mean of about 1."""
    hours = _CURVES[curve]
    day, second = divmod(unix_s - _MONDAY_S, _DAY_S)
    hour, rest = divmod(second, _HOUR_S)
    at = int(hour)
    toward = hours[(at + 1) % 24]
    return _WEEKDAYS[curve][int(day) % 7] * (hours[at] + (toward - hours[at]) * rest / _HOUR_S)
