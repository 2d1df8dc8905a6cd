"""Bad days on demand: a table of incidents, and when they happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ..config.units import parse_duration
from ..errors import ExporterError
from .effects import HEALTHY, Effects, combined


@dataclass(frozen=True, slots=True)
class Incident:
    """One kind of trouble."""

    name: str
    summary: str
    alerts: str
    """What should ring."""
    effects: Effects
    services: tuple[str, ...] = ()
    """Empty: all of them."""
    provider: str = ""
    """Only calls to this one; empty: all."""
    silences_exporter: bool = False
    """The exporter itself cannot be scraped; in written history only."""
    restarts_every_s: float = 0.0
    """The exporter dies and comes back so often; 0: never. In written history only."""

    def concerns(self, service: str, provider: str) -> bool:
        """Whether it changes something there; an empty provider means what is no model call."""
        return (not self.services or service in self.services) and (
            not self.provider or self.provider == provider
        )


_CHAT = ("support-bot",)
_RAG = ("docs-search",)
_AGENT = ("coding-agent",)
_SHOP = ("checkout-assistant",)
_BATCH = ("batch-summariser",)

_TABLE = (
    Incident("provider-outage", "OpenAI answers with errors only", "total outage, provider errors, "
             "SLO burn", Effects(errors=1.0, error="server_error"), provider="openai"),
    Incident("model-outage", "one model of OpenAI answers with errors only", "model errors",
             Effects(errors=1.0, error="server_error"), services=_CHAT, provider="openai"),
    Incident("provider-errors", "a third of Anthropic's calls fail", "provider errors, SLO burn",
             Effects(errors=0.35, error="server_error"), provider="anthropic"),
    Incident("rate-limit", "OpenAI turns calls away with 429", "rate limits",
             Effects(errors=0.4, error="rate_limited", retries=0.4), provider="openai"),
    Incident("auth", "a key for Anthropic was revoked", "authentication, total outage",
             Effects(errors=1.0, error="auth"), provider="anthropic"),
    Incident("auth-quota", "the OpenAI account has run out of credit", "quota, total outage",
             Effects(errors=1.0, error="quota"), provider="openai"),
    Incident("timeouts", "Bedrock does not answer in time", "provider errors, saturation",
             Effects(errors=0.5, error="timeout"), provider="aws.bedrock"),
    Incident("slow-provider", "OpenAI takes five times as long", "p95 latency, latency regression",
             Effects(duration=5.0), provider="openai"),
    Incident("slow-first-token", "the first token keeps users waiting", "time to first token",
             Effects(first_token=9.0), provider="openai"),
    Incident("saturation", "calls last for hours", "histogram saturation",
             Effects(duration=1_500.0), services=_BATCH),
    Incident("cost-spike", "far more and far larger calls", "spend spike, budget burn",
             Effects(traffic=4.0, input_tokens=6.0, output_tokens=3.0), services=_AGENT),
    Incident("token-bloat", "each call carries four times the tokens", "unit-cost regression",
             Effects(input_tokens=4.0, output_tokens=2.0), services=_CHAT),
    Incident("cache-miss", "prompts changed and no cache entry fits", "cache-hit drop",
             Effects(cached=0.02)),
    Incident("judge-regression", "answers got worse after a release", "judge failure ratio, "
             "quality SLO", Effects(judge_failures=0.4), services=(*_CHAT, *_RAG)),
    Incident("judge-down", "judges fail to judge", "judge broken",
             Effects(judge_errors=0.9)),
    Incident("judge-stalled", "no judge says anything", "judge stalled",
             Effects(judge_traffic=0.0)),
    Incident("judge-cost", "judges judge everything, at length", "judge cost",
             Effects(judge_traffic=5.0, judge_tokens=24.0)),
    Incident("judge-late", "verdicts come a quarter of an hour late", "judge lag",
             Effects(judge_delay=20.0)),
    Incident("judge-labels", "a judge's answers have labels that nobody knows", "unscored results",
             Effects(unknown_labels=0.6)),
    Incident("stray-results", "results name calls that nobody sent", "unmatched results",
             Effects(strays=0.9)),
    Incident("negative-feedback", "users are unhappy", "negative feedback",
             Effects(negative=0.7)),
    Incident("refusals", "models refuse or filter what they should answer", "refusals",
             Effects(refusals=0.3, filtered=0.15)),
    Incident("truncation", "answers break off", "truncated answers",
             Effects(truncated=0.4)),
    Incident("prompt-injection", "somebody attacks the bot", "guardrail blocks, content findings",
             Effects(blocks=0.5, traffic=1.5), services=(*_CHAT, *_SHOP)),
    Incident("guardrail-down", "guardrails fail to decide", "failing guardrails",
             Effects(guard_errors=0.7)),
    Incident("guardrail-silent", "the bot is released without its guardrails", "silent guardrails",
             Effects(unguarded=1.0), services=_CHAT),
    Incident("content-filter", "OpenAI's filter turns requests away", "content filter",
             Effects(errors=0.3, error="content_filter"), provider="openai"),
    Incident("retry-storm", "clients retry again and again", "retries",
             Effects(retries=0.85, errors=0.15, error="server_error"), services=_SHOP),
    Incident("fallback-storm", "the gateway falls back for most calls", "fallbacks",
             Effects(fallbacks=0.8), services=_SHOP),
    Incident("traffic-drop", "requests stop coming", "traffic drop",
             Effects(traffic=0.02)),
    Incident("no-traffic", "nothing is sent any more", "no data",
             Effects(traffic=0.0)),
    Incident("traffic-spike", "six times the usual load", "traffic spike",
             Effects(traffic=6.0)),
    Incident("agent-loop", "the agent goes round in circles", "agent loops",
             Effects(rounds=6.0), services=_AGENT),
    Incident("tool-outage", "no tool of the agent works", "tool failures, as a page",
             Effects(tool_errors=1.0), services=_AGENT),
    Incident("slow-steps", "tools and retrievals take ten times as long", "slow steps",
             Effects(steps=10.0), services=(*_RAG, *_AGENT)),
    Incident("tool-failure", "tools fail", "tool failures",
             Effects(tool_errors=0.6)),
    Incident("retrieval-empty", "the index finds nothing", "empty retrievals",
             Effects(empty=0.7), services=(*_CHAT, *_RAG)),
    Incident("retrieval-poor", "what is found does not fit", "retrieval scores",
             Effects(scores=0.4), services=(*_CHAT, *_RAG)),
    Incident("unpriced-model", "calls go to a model that has no price", "unpriced model",
             Effects(request_model="acme-frontier-2", response_model="acme-frontier-2"),
             services=_SHOP),
    Incident("model-routing", "another model answers than was asked", "model routing mismatch",
             Effects(response_model="gpt-3.5-turbo-0125"), services=_CHAT, provider="openai"),
    Incident("context-length", "prompts no longer fit", "context length errors",
             Effects(errors=0.3, error="context_length", input_tokens=5.0), services=_RAG),
    Incident("label-flood", "a feature name of its own in every call", "cardinality overflow",
             Effects(flood=0.9), services=_SHOP),
    Incident("ingest-lag", "records arrive an hour late", "ingest lag",
             Effects(lag=3_000.0)),
    Incident("duplicates", "senders send everything twice", "duplicates",
             Effects(duplicates=0.9)),
    Incident("double-instrumentation", "a second library tells every call, too", "roll-ups",
             Effects(wrapped=0.9)),
    Incident("unknown-convention", "an upgrade renames all attributes", "nothing recognised",
             Effects(unknown=1.0)),
    Incident("invalid-records", "records carry impossible numbers", "invalid records",
             Effects(invalid=0.3)),
    Incident("malformed-requests", "somebody sends what is not OTLP", "rejected requests",
             Effects(malformed=0.9)),
    Incident("exporter-down", "the exporter cannot be scraped", "exporter down, no data",
             HEALTHY, silences_exporter=True),
    Incident("crash-loop", "the exporter restarts every ten minutes", "restarts, counter resets",
             HEALTHY, restarts_every_s=600.0),
)  # fmt: skip

INCIDENTS: Mapping[str, Incident] = {incident.name: incident for incident in _TABLE}


@dataclass(frozen=True, slots=True)
class Planned:
    """An incident and its time, Unix seconds."""

    incident: Incident
    start_s: float
    end_s: float


class Plan:
    """What is wrong when."""

    def __init__(self, planned: Sequence[Planned] = ()) -> None:
        """Take the incidents of a simulation."""
        self._planned = tuple(planned)
        self._changes = sorted({s for p in planned for s in (p.start_s, p.end_s)})

    def active(self, unix_s: float) -> tuple[Incident, ...]:
        """The incidents of a moment."""
        if not self._planned:
            return ()
        return tuple(p.incident for p in self._planned if p.start_s <= unix_s < p.end_s)

    def next_change(self, unix_s: float) -> float:
        """When an incident begins or ends next; infinity if never."""
        return next((s for s in self._changes if s > unix_s), float("inf"))


@lru_cache(maxsize=4_096)
def effects_of(active: tuple[Incident, ...], service: str, provider: str = "") -> Effects:
    """What the active incidents come to in one place."""
    return combined(i.effects for i in active if i.concerns(service, provider))


def parse_incident(written: str, start_s: float, end_s: float) -> Planned:
    """`NAME[@START+DURATION]`, for a simulation from `start_s` to `end_s`.

    START counts from the beginning, or from the end with a minus before it. Without a time the
    incident lasts throughout.

    Raises: ExporterError that says what is wrong and what is allowed.
    """
    name, at, when = written.partition("@")
    incident = INCIDENTS.get(name)
    if incident is None:
        raise ExporterError(
            f"--incident {written!r}: there is no incident {name!r}; one of {', '.join(INCIDENTS)}"
        )
    if not at:
        return Planned(incident, start_s, end_s)
    offset, plus, duration = when.partition("+")
    try:
        if not plus:
            raise ValueError("the duration is missing")  # noqa: TRY301 - one place words them all
        before_end = offset.startswith("-")
        shift_s = parse_duration(offset.removeprefix("-"))
        lasts_s = parse_duration(duration)
    except ValueError as error:
        raise ExporterError(
            f"--incident {written!r}: {error}; expected {name}@START+DURATION such as "
            f"{name}@5m+10m or, counted from the end, {name}@-2h+30m"
        ) from error
    begins_s = end_s - shift_s if before_end else start_s + shift_s
    if lasts_s <= 0 or not start_s <= begins_s < end_s:
        raise ExporterError(
            f"--incident {written!r}: lies outside of the simulation, or lasts no time"
        )
    return Planned(incident, begins_s, begins_s + lasts_s)
