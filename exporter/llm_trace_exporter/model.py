"""The records: all that crosses from the dialects into `correlation`.

A dialect reads attributes and writes these; nothing after it sees an attribute key. Every record
is frozen, and none of the garbage collector's business, as it cannot hold itself. The state file
holds fields by their place: a new one goes to the end, with a default. Times are Unix
nanoseconds, durations seconds, money US dollars, scores 0-1. No record holds prompt or response
text or a user id.
"""

from __future__ import annotations

from typing import Literal, get_args

from msgspec import Struct

ErrorType = Literal[
    "",
    "rate_limited",
    "timeout",
    "auth",
    "quota",
    "context_length",
    "content_filter",
    "invalid_request",
    "server_error",
    "connection",
    "cancelled",
    "other",
]
"""Why a call or step failed; empty when it did not."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "other"]
GatewayEvent = Literal["retry", "fallback", "cache_hit", "circuit_open", "queue_full"]
StepKind = Literal[
    "retrieval", "embedding", "rerank", "tool", "agent", "workflow", "guardrail", "memory", "other"
]
GuardrailAction = Literal["allow", "block", "modify", "warn"]
VerdictValue = Literal["pass", "fail", "error", "unscored"]
JudgeKind = Literal["llm", "code", "human"]
Rating = Literal["positive", "negative", "neutral"]
RunOutcome = Literal["ok", "error", "timeout", "unparseable", "skipped", "no_text"]
"""How a question of the built-in judge ended. Skipped: a limit, the budget, the breaker or the end
of the process came first; no text: the call was chosen and does not tell what the rule needs."""
Task = Literal[
    "settle",
    "expire",
    "clock",
    "security",
    "checkpoint",
    "price_update",
    "content",
    "content_rules",
    "judge",
]
"""Work that goes on in the background, which no request and no scrape waits for."""
MAX_DURATION_S = 7 * 86_400.0
"""A call, step or trace that takes longer did not: a clock was wrong, or an end is missing.

Batches are answered within a day, and workflows that wait for people within days.
"""
MAX_LAG_S = 366 * 86_400.0
"""A verdict that comes later after its call did not: people judge weeks and months later."""
Duration = Literal["call", "first_token", "step", "trace", "judge_lag"]
"""What takes a time that may be impossible."""
Signal = Literal["span", "log"]
Direction = Literal["input", "output"]
"""What the model was sent, or what it answered."""

ERROR_TYPES: tuple[str, ...] = tuple(e for e in get_args(ErrorType) if e)


class Tokens(Struct, frozen=True, gc=False, array_like=True):
    """Token counts of one call by DISJOINT type: the plain sum of TOKEN_TYPES is all of them.

    What follows these says how they are to be billed and how far they can be trusted.
    """

    input: int = 0
    """Uncached, non-audio input."""
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    """Output without reasoning and audio."""
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    cache_write_1h: int | None = None
    """How many of `cache_write` last an hour; None where the emitter tells no lifetime."""
    unexplained: int = 0
    """What the total holds beyond the types: in none of them, and without a price."""
    inclusion_assumed: bool = False
    """Nothing but the convention says whether the input contained the cached tokens."""
    citations: int = 0
    """Tokens of what a search put before the model, in none of the types; few models bill them."""
    reasoning_assumed: bool = False
    """Nothing but the provider's habit says that the output did not contain the reasoning."""

    @property
    def input_all(self) -> int:
        """All input types together."""
        return self.input + self.cache_read + self.cache_write + self.audio_input

    @property
    def output_all(self) -> int:
        """All output types together."""
        return self.output + self.reasoning + self.audio_output

    @property
    def total(self) -> int:
        """Every token once."""
        return (
            self.input + self.cache_read + self.cache_write + self.output + self.reasoning
            + self.audio_input + self.audio_output
        )  # fmt: skip

    def by_type(self) -> tuple[tuple[str, int], ...]:
        """(type, count) for every type, in catalogue order, zeros included."""
        return tuple((name, getattr(self, name)) for name in TOKEN_TYPES)


TOKEN_TYPES: tuple[str, ...] = (
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "audio_input",
    "audio_output",
)
"""The disjoint types: the first fields of Tokens, in their order."""


class ReportedCost(Struct, frozen=True, gc=False, array_like=True):
    """Dollars that the emitter put on the wire."""

    total_usd: float
    by_type: tuple[tuple[str, float], ...] = ()
    """(token type or `request`, dollars); empty when only a total was reported."""


class Origin(Struct, frozen=True, gc=False, array_like=True):
    """Which emitter, deployment and place in a trace a record comes from."""

    trace_id: bytes
    """16 bytes; empty for a log record outside a trace."""
    span_id: bytes
    """8 bytes; empty for a log record outside a span."""
    parent_span_id: bytes
    """8 bytes; empty for a root."""
    signal: Signal
    dialect: str
    """The convention that was read: `openinference`, `semconv`, ..."""
    scope: str
    """Instrumentation scope, shortened; tells two instrumentations of one call apart."""
    service: str
    environment: str
    dimensions: tuple[str, ...]
    """One value per configured dimension, in configuration order; empty where unknown."""


class LlmCall(Struct, frozen=True, gc=False, array_like=True, tag=1):
    """One request to a model as one emitter told it: chat, embeddings, rerank, ..."""

    origin: Origin
    start_ns: int
    end_ns: int
    operation: str
    """`chat`, `text_completion`, `embeddings`, `generate_content`, `rerank`, `moderation`, ..."""
    provider: str = ""
    """OTel GenAI well-known value; empty when the emitter does not say."""
    request_model: str = ""
    response_model: str = ""
    tokens: Tokens | None = None
    """None: unknown, which is not zero."""
    error_type: ErrorType = ""
    finish_reasons: tuple[FinishReason, ...] = ()
    streaming: bool = False
    ttft_s: float | None = None
    reported_cost: ReportedCost | None = None
    response_id: str = ""
    """The provider's id of the answer; empty when absent or invented by the emitter."""
    service_tier: str = ""
    """`batch`, `flex`, `priority`, ...; empty for the default tier."""
    gateway_events: tuple[tuple[GatewayEvent, int], ...] = ()
    purpose: Literal["", "judge"] = ""
    """`judge` when an evaluator made the call."""
    weight: float = 1.0
    """How many calls this one stands for (head sampling)."""
    web_searches: int = 0
    """Searches of the web that the provider made for the call, each with a fee."""
    region: str = ""
    """Where it was served, as far as that has a price: `us-east5`, `eu`, ...; empty: not told."""
    is_untimed: bool = False
    """It has no end, or one before its start: `end_ns` is its start, and no duration is known."""

    @property
    def duration_s(self) -> float:
        """Wall time of the whole call."""
        return max(0, self.end_ns - self.start_ns) / 1e9

    @property
    def model(self) -> str:
        """What served the call: the response's model, else the one asked for."""
        return self.response_model or self.request_model


class Step(Struct, frozen=True, gc=False, array_like=True, tag=2):
    """One step of a pipeline that is not a model call: it has neither tokens nor cost."""

    origin: Origin
    start_ns: int
    end_ns: int
    kind: StepKind
    name: str
    error_type: ErrorType = ""
    documents: int | None = None
    """Retrieval: how many came back."""
    top_score: float | None = None
    """Retrieval: the best score, as the retriever scales it."""
    guardrail_action: GuardrailAction | None = None
    named: bool = True
    """False where the emitter gives no name of its own, so that `name` is the span's."""
    weight: float = 1.0
    is_untimed: bool = False
    """As of a call."""

    @property
    def duration_s(self) -> float:
        """Wall time of the step."""
        return max(0, self.end_ns - self.start_ns) / 1e9


class Subject(Struct, frozen=True, gc=False, array_like=True):
    """Who and what was judged: what a result takes over from the call that it is about."""

    service: str
    environment: str
    dimensions: tuple[str, ...]
    provider: str = ""
    request_model: str = ""
    response_model: str = ""
    service_tier: str = ""
    operation: str = ""
    purpose: Literal["", "judge"] = ""


class Finding(Struct, frozen=True, gc=False, array_like=True):
    """Something that a judge came upon in what was said, without the text itself."""

    category: str
    """`email`, `aws_key`, `override`, ..."""
    direction: Direction
    n: int = 1
    """How many different ones."""


class Verdict(Struct, frozen=True, gc=False, array_like=True, tag=3):
    """One result of one judge.

    `origin` names what was judged: a span, or a whole trace where it has no span id.
    """

    origin: Origin
    time_ns: int
    judge: str
    kind: JudgeKind
    verdict: VerdictValue
    score: float | None = None
    """As reported; the store scales it by the judge's declared range."""
    model: str = ""
    """The judged call's model where the carrier itself knows it."""
    target_end_ns: int = 0
    """End of the judged span where the carrier itself knows it, else 0."""
    response_id: str = ""
    """The provider's id of the judged answer, where the carrier names that."""
    subject: Subject | None = None
    """The judged call; None until, or where, it is not found."""
    weight: float = 1.0
    fact: bytes = b""
    """Fingerprint of what tells it from an equal one about the same: its id, its number, ..."""
    findings: tuple[Finding, ...] = ()
    """What the verdict rests on, where the judge names it."""


class Feedback(Struct, frozen=True, gc=False, array_like=True, tag=4):
    """One rating by an end user."""

    origin: Origin
    time_ns: int
    rating: Rating
    source: str
    """Name under which the emitter files it: `user_feedback`, ..."""
    model: str = ""
    response_id: str = ""
    """The provider's id of the rated answer, where the carrier names that."""
    subject: Subject | None = None
    """The rated call; None until, or where, it is not found."""
    weight: float = 1.0
    fact: bytes = b""
    """Fingerprint of what tells it from an equal one about the same, as its id."""


Record = LlmCall | Step | Verdict | Feedback


class Root(Struct, frozen=True, gc=False, array_like=True):
    """The span that a trace, or a process's part of one, began with."""

    span_id: bytes
    name: str
    """Without ids."""
    start_ns: int
    end_ns: int
    service: str
    environment: str
    dimensions: tuple[str, ...]
    failed: bool = False
    is_local: bool = False
    """It has a parent: a trace that came from elsewhere entered a process here."""
    weight: float = 1.0
    is_untimed: bool = False
    """As of a call."""


Role = Literal["call", "tool", "agent", "evaluator", "other", "loop"]
"""What a span means to what it encloses; `loop`: the calls of an agent, each over the last."""

Precedence = Literal["primary", "supplement", "fallback", "evidence"]
"""Whether a call or step counts, only adds facts to one that does, counts where its group (see
ParsedRecord.group) sends no spans, or counts where no other record of its trace tells its tokens:
nothing but a model and tokens on it says that it is a call."""


DropReason = Literal["rollup", "duplicate", "not_llm", "unknown_kind", "structure"]
"""Why a record counts for nothing by what is on it alone.

`rollup` its tokens are told by others, `duplicate` another signal tells it, `not_llm` nothing on it
is of a language model, `unknown_kind` something is and it could not be read as a call, `structure`
its convention knows it, as what encloses others or tells nothing that counts.
"""


class HttpAttempt(Struct, frozen=True, gc=False, array_like=True):
    """One request to a provider or a gateway, as the client span of its HTTP library told it."""

    start_ns: int
    end_ns: int
    is_generation: bool
    """False: it asked for the list of models."""
    error_type: ErrorType = ""


class ParsedRecord(Struct, frozen=True, gc=False, array_like=True):
    """All that one span or log record said."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    signal: Signal
    dialect: str
    """Empty when no dialect knows the record."""
    records: tuple[Record, ...] = ()
    role: Role = "other"
    precedence: Precedence = "primary"
    group: str = ""
    """Opaque name of the emitting session, where one fact comes on spans and on log records."""
    reported_tokens: int = 0
    """Input + output tokens written on the record, whether it may carry them or not."""
    drop: Literal["", DropReason] = ""
    """Why a record that yields nothing is discarded."""
    fingerprint: bytes = b""
    """Log records: what tells a resent one."""
    root: Root | None = None
    """Spans: set where a trace, or a process's part of it, begins."""
    attempt: HttpAttempt | None = None
    """HTTP client spans to where models are served."""
    unreadable: int = 0
    """How many numbers on it could not be read."""
    inherited: tuple[str, ...] = ()
    """Spans without records: dimension values for what runs within; empty where it has none."""
