"""Calls to models, and how two conventions tell them."""

from __future__ import annotations

from dataclasses import dataclass

from ..otlp.records import Attributes, RawEvent, RawSpan
from .effects import Effects
from .failures import FAILURES, Failure
from .scene import CLIENT, INTERNAL, Scene
from .world import Model

HEALTHY_ERRORS = 0.002
_OPENINFERENCE_PROVIDERS = {"gcp.gemini": "google", "aws.bedrock": "aws"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a model."""

    model: Model
    operation: str = "chat"
    input_tokens: float = 1_000.0
    """Median."""
    output_tokens: float = 200.0
    streams: bool = False
    wants_tools: bool = False
    by_gateway: bool = False
    """A gateway is in between: it retries, falls back and answers from its cache."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of it."""

    span: RawSpan
    failure: Failure | None
    input_tokens: int
    output_tokens: int


def ask(scene: Scene, asked: Asked) -> Answered:
    """Call a model; OpenTelemetry's conventions tell of it."""
    effects = scene.effects_of(asked.model.provider)
    model = asked.model
    failure = _failure(scene, effects)
    usage = _Usage.of(scene, asked, effects)
    first_s, whole_s = _times(scene, asked, effects, usage)
    attrs: Attributes = {
        "gen_ai.operation.name": asked.operation,
        "gen_ai.provider.name": model.provider,
        "gen_ai.request.model": effects.request_model or model.request,
        "gen_ai.prompt.name": scene.prompt.name,
        "gen_ai.prompt.version": scene.version,
    }
    if asked.streams:
        attrs["gen_ai.request.stream"] = True
    if failure is None:
        attrs["gen_ai.response.model"] = effects.response_model or model.response
        attrs["gen_ai.response.id"] = f"resp_{scene.random.getrandbits(80):x}"
        attrs["gen_ai.usage.input_tokens"] = usage.input
        if usage.cached:
            attrs["gen_ai.usage.cache_read.input_tokens"] = usage.cached
        if usage.written:
            attrs["gen_ai.usage.cache_creation.input_tokens"] = usage.written
        if asked.operation == "chat":
            attrs["gen_ai.usage.output_tokens"] = usage.output
            attrs["gen_ai.response.finish_reasons"] = [_finish(scene, asked, effects)]
        if usage.reasoning:
            attrs["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning
        if asked.streams:
            attrs["gen_ai.response.time_to_first_chunk"] = first_s
    if asked.by_gateway:
        attrs.update(_gateway(scene, effects))
    span = scene.span(
        f"{asked.operation} {effects.request_model or model.request}",
        attrs,
        whole_s if failure is None or failure.seconds is None else scene.around(failure.seconds),
        kind=CLIENT,
        failure=failure,
    )
    return Answered(span, failure, usage.input, usage.output)


def ask_openinference(scene: Scene, asked: Asked) -> Answered:
    """Call a model; OpenInference's conventions tell of it."""
    effects = scene.effects_of(asked.model.provider)
    model = asked.model
    failure = _failure(scene, effects)
    usage = _Usage.of(scene, asked, effects)
    first_s, whole_s = _times(scene, asked, effects, usage)
    embeds = asked.operation == "embeddings"
    attrs: Attributes = {
        "openinference.span.kind": "EMBEDDING" if embeds else "LLM",
        "llm.provider": _OPENINFERENCE_PROVIDERS.get(model.provider, model.provider),
    }
    events: tuple[RawEvent, ...] = ()
    name = "embedding.model_name" if embeds else "llm.model_name"
    attrs[name] = effects.response_model or (model.request if failure else model.response)
    if not embeds:
        attrs["llm.request.model_name"] = effects.request_model or model.request
        attrs["gen_ai.prompt.name"] = scene.prompt.name
        attrs["llm.prompt_template.version"] = scene.version
    if failure is None:
        attrs["llm.token_count.prompt"] = usage.input
        if usage.cached:
            attrs["llm.token_count.prompt_details.cache_read"] = usage.cached
        if not embeds:
            attrs["llm.token_count.completion"] = usage.output
            attrs["llm.finish_reason"] = _finish(scene, asked, effects)
        if asked.streams:
            first_ns = scene.now_ns + int(first_s * 1e9)
            events = (RawEvent("First Token Stream Event", first_ns, {}),)
    span = scene.span(
        "Embeddings" if embeds else "ChatCompletion",
        attrs,
        whole_s if failure is None or failure.seconds is None else scene.around(failure.seconds),
        kind=INTERNAL,
        failure=failure,
        events=events,
    )
    return Answered(span, failure, usage.input, usage.output)


@dataclass(frozen=True, slots=True)
class _Usage:
    input: int
    cached: int
    written: int
    output: int
    reasoning: int

    @classmethod
    def of(cls, scene: Scene, asked: Asked, effects: Effects) -> _Usage:
        model = asked.model
        total = int(scene.around(asked.input_tokens * effects.input_tokens, 0.5)) + 1
        cached = int(total * min(0.95, model.cached * effects.cached * scene.around(1.0, 0.15)))
        writes = model.provider == "anthropic" and asked.operation == "chat"
        output = int(scene.around(asked.output_tokens * effects.output_tokens, 0.6)) + 2
        return cls(
            input=total,
            cached=cached,
            written=(total - cached) // 3 if writes and scene.chance(0.4) else 0,
            output=output,
            reasoning=int(output * model.reasoning),
        )


def _times(scene: Scene, asked: Asked, effects: Effects, usage: _Usage) -> tuple[float, float]:
    """(seconds to the first token, seconds in all)."""
    model = asked.model
    first_s = scene.around(model.first_token_s * effects.first_token * effects.duration, 0.35)
    tokens = usage.output if asked.operation == "chat" else 0
    rest_s = scene.around(tokens * model.per_token_s * effects.duration, 0.2) if tokens else 0.0
    return first_s, first_s + rest_s


def _failure(scene: Scene, effects: Effects) -> Failure | None:
    if scene.chance(effects.errors):
        return FAILURES[effects.error]
    if not scene.chance(HEALTHY_ERRORS):
        return None
    kinds = list(FAILURES.values())
    return scene.random.choices(kinds, [kind.share for kind in kinds])[0]


def _finish(scene: Scene, asked: Asked, effects: Effects) -> str:
    at = scene.random.random()
    for probability, reason in (
        (effects.refusals + 0.001, "refusal"),
        (effects.filtered + 0.001, "content_filter"),
        (effects.truncated + 0.008, "length"),
    ):
        if at < probability:
            return reason
        at -= probability
    return "tool_calls" if asked.wants_tools else "stop"


def _gateway(scene: Scene, effects: Effects) -> Attributes:
    found: Attributes = {}
    if scene.chance(1 - (1 - 0.01) * (1 - effects.retries)):
        found["gen_ai.request.retry_count"] = 1 + (
            scene.random.randrange(3) if effects.retries else 0
        )
    if scene.chance(1 - (1 - 0.004) * (1 - effects.fallbacks)):
        found["gen_ai.request.fallback_count"] = 1
    if scene.chance(0.06):
        found["gen_ai.response.cache_hit"] = True
    return found
