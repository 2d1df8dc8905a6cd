"""The words of the metric contract: every label with its values, every kind of buckets.

A label is *closed* when its values are the program's own words, listed here or written in the
code, and *open* when they come from outside. Only open labels are cleaned, capped and, where a
family is full, collapsed to `other`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from ..model import (
    ERROR_TYPES,
    TOKEN_TYPES,
    Direction,
    DropReason,
    Duration,
    FinishReason,
    GatewayEvent,
    GuardrailAction,
    JudgeKind,
    Rating,
    RunOutcome,
    StepKind,
    Task,
    VerdictValue,
)
from ..settled import Assumption, UnpricedReason

OTHER = "other"
"""What stands for every value past a cap."""


@dataclass(frozen=True, slots=True)
class Label:
    """One label of the contract."""

    name: str
    help: str
    values: tuple[str, ...] = ()
    """Every value it can have; empty when they are not listed."""
    is_open: bool = False
    """Whether its values come from outside and so are cleaned and capped."""
    same_as: str = ""
    """The label that holds the same values under another name; their cap is one."""


def _open(name: str, text: str, same_as: str = "") -> Label:
    return Label(name, text, is_open=True, same_as=same_as)


DURATIONS: tuple[str, ...] = get_args(Duration)
RUN_OUTCOMES: tuple[str, ...] = get_args(RunOutcome)
TASKS: tuple[str, ...] = get_args(Task)
SAID: tuple[str, ...] = (*get_args(VerdictValue), *get_args(Rating), "invalid", "deleted")
STATUSES: tuple[str, ...] = ("2xx", "3xx", "4xx", "429", "5xx", "failed")

LABELS: tuple[Label, ...] = (
    _open("service", "The resource's service.name."),
    _open("environment", "The resource's deployment environment; absent when unknown."),
    _open("provider", "Who served the call, as the OpenTelemetry GenAI well-known value."),
    _open("model", "What served the call, under the price catalogue's name where it knows it."),
    _open("operation", "chat, text_completion, embeddings, rerank, generate_content, ..."),
    Label("purpose", "judge for calls made by evaluators; absent for all others.", ("judge",)),
    Label(
        "outcome",
        "Whether the call or step failed: ok or error. Questions of the built-in judge can also "
        "end otherwise.",
        RUN_OUTCOMES,
    ),
    Label("error_type", "Why it failed; absent when it did not.", ERROR_TYPES),
    Label(
        "type",
        "Token type; the types are disjoint, so a plain sum is the truth. For cost also "
        "request (a fee per call or search) and unsplit (only a total was reported), for "
        "unpriced tokens also unexplained (of no type: the total holds more than its parts).",
        (*TOKEN_TYPES, "request", "unsplit", "unexplained"),
    ),
    Label(
        "cost_source",
        "Where the price came from: the emitter, your contract, or the list price.",
        ("reported", "contract", "list"),
    ),
    Label(
        "reason",
        "Why: a finish reason, why there is no price, why a request was rejected, or why a "
        "record was discarded; each family lists its own.",
    ),
    Label(
        "assumption",
        "What was taken without being told: the price of a tier, how long a cache write lasts, "
        "the price of a region, whether the input holds the cached tokens, or the output the "
        "reasoning.",
        get_args(Assumption),
    ),
    _open("request_model", "The model that was asked for, as written by the caller."),
    _open("response_model", "The model that answered, as written by the provider."),
    Label("event", "What a gateway or SDK did besides the call.", get_args(GatewayEvent)),
    Label("step", "What kind of step it is.", get_args(StepKind)),
    _open("name", "The step's name: the retriever, agent, workflow, ..."),
    _open("tool", "The tool's name."),
    _open("guardrail", "The guardrail's name."),
    Label("action", "What the guardrail did.", get_args(GuardrailAction)),
    _open("root", "Name of the trace's root span, without ids; absent where it did not come."),
    Label("slo", "What is aimed at: error_ratio, latency_p95_seconds, judge_failure_ratio, ..."),
    Label("budget", "The budget's name."),
    Label("period", "What the budget is for.", ("daily", "weekly", "monthly", "quarterly")),
    _open("judge", "The judge's name."),
    Label("kind", "Who judged: a model, code or a human.", get_args(JudgeKind)),
    Label(
        "verdict",
        "error is a judge that broke, unscored a result that no label table maps.",
        get_args(VerdictValue),
    ),
    Label(
        "from",
        "What a result said that was counted: a verdict or a rating, deleted or invalid.",
        SAID,
    ),
    Label("to", "What it says since, in the same words.", SAID),
    _open("suite", "The project or experiment that an offline run belongs to."),
    Label("status", "How a request to a store ended; failed: no whole answer.", STATUSES),
    Label("detector", "The content rule that found something."),
    Label("category", "What it found: email, aws_key, override, ..."),
    Label(
        "direction",
        "What the model was sent (input), or what it answered (output).",
        get_args(Direction),
    ),
    Label("agrees", "Whether a human came to the judge's verdict.", ("true", "false")),
    Label("rating", "What the end user thought.", get_args(Rating)),
    _open(
        "source",
        "For feedback, the name under which the emitter files it; for what the exporter "
        "receives, the way in: otlp_http, otlp_grpc, file, ...; for stores that are read, the "
        "name in the configuration.",
    ),
    _open("service_name", "As `service`, under OpenTelemetry's name.", "service"),
    _open("deployment_environment", "As `environment`, likewise.", "environment"),
    _open("gen_ai_operation_name", "As `operation`, likewise.", "operation"),
    _open("gen_ai_provider_name", "As `provider`, likewise.", "provider"),
    _open("gen_ai_request_model", "As `request_model`, likewise.", "request_model"),
    _open("gen_ai_response_model", "As `response_model`, likewise.", "response_model"),
    Label(
        "gen_ai_token_type",
        "All input, or all output; cached and reasoning tokens are among them.",
        ("input", "output"),
    ),
    Label("dialect", "The convention that was read; absent when none knows the record."),
    Label("field", "What had a value that cannot be true.", DURATIONS),
    Label("family", "A metric family of this exporter."),
    Label("label", "A label of this contract."),
    Label("table", "One of the exporter's bounded memories."),
    Label("token", "The name of a sender's tokens in the configuration."),
    Label(
        "part",
        "What files with secrets guard: a listener, or the tokens of senders.",
        ("web", "otlp_http", "otlp_grpc", "tokens"),
    ),
    Label("task", "Work in the background; docs/operations.md says what each does.", TASKS),
    Label("version", "Version of the exporter."),
    Label("python", "Version of the Python interpreter."),
    Label("engine", "Who reads requests.", ("python", "native")),
)

LABEL: Mapping[str, Label] = {label.name: label for label in LABELS}

FINISH_REASONS: tuple[str, ...] = get_args(FinishReason)
UNPRICED_REASONS: tuple[str, ...] = get_args(UnpricedReason)
UNJOINED_REASONS = ("unnamed", "unknown")
STATE_ERRORS = ("commit", "checkpoint", "unusable", "damaged")
CLOCK_DIRECTIONS = ("forward", "back")

DISCARD_REASONS = (*get_args(DropReason), "late", "invalid")

BUCKETS: Mapping[str, tuple[float, ...]] = {
    "seconds": (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600),
    "first_token_seconds": (0.05, 0.1, 0.2, 0.4, 0.75, 1.5, 3, 6, 12, 30, 60),
    "per_token_seconds": (0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 2),
    "tokens": (16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576),
    "dollars": (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 25),
    "score": (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
    "documents": (0, 1, 2, 3, 5, 8, 13, 20, 50, 100),
    "semconv_seconds": (
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
    ),
    "semconv_tokens": (
        1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
    ),
    "semconv_first_token_seconds": (
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
    ),
    "calls": (0, 1, 2, 3, 5, 8, 13, 20, 50, 100),
    "work_seconds": (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    "lag_seconds": (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400),
}  # fmt: skip
"""Upper bounds by kind, ascending, without +Inf; a configuration may replace all but `semconv_*`.

Scaled to language models: calls of minutes are normal, so client defaults that stop at ten
seconds would put half of them into +Inf.
"""


def capped_as(name: str) -> str:
    """Return the label under whose name the values of a label are capped."""
    return (name in LABEL and LABEL[name].same_as) or name


def is_open_label(name: str) -> bool:
    """Whether a label's values come from outside: open ones, and every dimension."""
    return name not in LABEL or LABEL[name].is_open
