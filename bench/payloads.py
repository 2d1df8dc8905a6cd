"""OTLP trace requests for measurements, shaped like recorded ones.

A request is what one service's batch processor sends: one resource, three instrumentation scopes,
traces of eight spans. Of eight spans three are LLM calls, two tools, one an agent and two HTTP.
Every span has the same number of attributes: those of its convention, one with message text, and
the application's own, of which one differs from span to span and the others have few values.
LLM spans of three services speak the OpenTelemetry GenAI convention, those of two OpenInference;
where `mixed` is asked for, every service speaks the one in two requests of three, the other in the
third. Ids are unique over all seeds; the same seed and time give the same bytes.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

if TYPE_CHECKING:
    from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

Value = str | int | float | tuple[str, ...]
Attributes = dict[str, Value]
Writer = Callable[[random.Random, str], tuple[str, Attributes]]
"""(source of randomness, message text) -> span name and its attributes."""

SERVICES = ("checkout", "search", "support-bot", "summaries", "ingest")
_OPENINFERENCE = SERVICES[3:]
MODELS = (
    ("openai", "gpt-4o", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
    ("anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku-20241022"),
    ("gcp.gemini", "gemini-2.0-flash", "gemini-2.0-flash"),
)
"""(provider, requested model, answering model)."""
TOOLS = ("search_orders", "lookup_customer", "convert_currency", "send_mail")
FEATURES = ("answers", "triage", "digest")
ERROR_SHARE = 0.02

_IDS = frozenset(("traceId", "spanId", "parentSpanId"))

_TEXT = "The order was sent on Monday and arrives within three working days. "
_APPLICATION: tuple[tuple[str, tuple[Value, ...]], ...] = (
    ("feature", FEATURES),
    ("thread.id", tuple(range(140_000, 140_008))),
    ("thread.name", tuple(f"worker-{n}" for n in range(8))),
    ("code.function.name", ("answer", "plan", "retrieve", "rank", "respond")),
    ("code.line.number", tuple(range(10, 200, 7))),
    ("app.region", ("eu-west-1", "us-east-1")),
    ("app.tier", ("free", "team", "business")),
    ("app.experiment", ("control", "treatment")),
    ("app.attempt", (1, 1, 1, 2)),
    ("app.cache_ratio", (0.0, 0.25, 0.5, 1.0)),
    ("app.locale", ("en", "de", "fr", "ja")),
    ("app.build", ("2031", "2032")),
)
"""What the application itself writes: key and the values it takes, in turn of use."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large requests are."""

    spans: int = 512
    attributes: int = 20
    """Attributes of each span."""
    content_bytes: int = 1_500
    """Message text of each span; 0 leaves it empty, as with content capture off."""
    mixed: bool = False
    """Whether every service has both instrumentations, whose calls may then be copies."""


@dataclass(frozen=True, slots=True)
class _Kind:
    scope: str
    write: Writer
    kind: Span.SpanKind.ValueType


def requests(count: int, shape: Shape, *, now_ns: int, first_seed: int = 0) -> list[bytes]:
    """`count` serialised requests; seeds from `first_seed` on, which no other call should repeat.

    Args:
        count: How many.
        shape: How large.
        now_ns: Unix nanoseconds; spans end in the minute before.
        first_seed: Determines ids and values of the first request.
    """
    return [request(seed, shape, now_ns=now_ns) for seed in range(first_seed, first_seed + count)]


def request(seed: int, shape: Shape, *, now_ns: int) -> bytes:
    """One serialised ExportTraceServiceRequest."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    service = SERVICES[seed % len(SERVICES)]
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add(resource=_resource(service))
    scopes: dict[str, ScopeSpans] = {}
    text = (_TEXT * (shape.content_bytes // len(_TEXT) + 1))[: shape.content_bytes]
    is_openinference = seed % 3 == 2 if shape.mixed else service in _OPENINFERENCE
    kinds = _TRACE_OPENINFERENCE if is_openinference else _TRACE_SEMCONV
    trace_id, root_id = b"", b""
    for number in range(shape.spans):
        place = number % len(kinds)
        span_id = _span_id(seed, number)
        if place == 0:
            trace_id, root_id = chance.randbytes(16), span_id
        kind = kinds[place]
        if kind.scope not in scopes:
            scopes[kind.scope] = resource.scope_spans.add()
            scopes[kind.scope].scope.name = kind.scope
            scopes[kind.scope].scope.version = "1.4.0"
        name, attributes = kind.write(chance, text)
        span = scopes[kind.scope].spans.add(
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=b"" if place == 0 else root_id,
            name=name,
            kind=kind.kind,
        )
        span.end_time_unix_nano = now_ns - chance.randrange(60 * 10**9)
        span.start_time_unix_nano = span.end_time_unix_nano - chance.randrange(10**7, 10**10)
        if chance.random() < ERROR_SHARE:
            attributes["error.type"] = "timeout"
            span.status.code = Status.STATUS_CODE_ERROR
        _write(span.attributes, _filled(attributes, shape.attributes, span_id, chance))
    return message.SerializeToString()


def as_json(body: bytes) -> bytes:
    """The same serialised request as OTLP/JSON, whose ids are in hexadecimal."""
    message = ExportTraceServiceRequest.FromString(body)

    def with_hex(node: object) -> object:
        if isinstance(node, list):
            return [with_hex(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            name: base64.b64decode(value).hex() if name in _IDS else with_hex(value)
            for name, value in node.items()
        }

    return json.dumps(with_hex(MessageToDict(message, use_integers_for_enums=True))).encode()


def label_sets(services: Iterable[int], *, seed: int, now_ns: int) -> bytes:
    """A serialised request with one successful chat call of each of these services.

    Every service has a label set of its own in each family of calls.

    Args:
        services: Their numbers.
        seed: Determines the ids; not to be used for `request` too.
        now_ns: Unix nanoseconds at which the calls end.
    """
    message = ExportTraceServiceRequest()
    for number in services:
        resource = message.resource_spans.add(resource=_resource(f"service-{number:07}"))
        scope = resource.scope_spans.add()
        scope.scope.name = _GENAI
        span_id = _span_id(seed, number)
        span = scope.spans.add(
            trace_id=span_id * 2,
            span_id=span_id,
            name="chat gpt-4o",
            kind=Span.SPAN_KIND_CLIENT,
            end_time_unix_nano=now_ns,
            start_time_unix_nano=now_ns - 10**9,
        )
        _write(span.attributes, _call(MODELS[0], 900, 120, ""))
    return message.SerializeToString()


def _call(model: tuple[str, str, str], tokens_in: int, tokens_out: int, text: str) -> Attributes:
    provider, asked, answered = model
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": asked,
        "gen_ai.response.model": answered,
        "gen_ai.usage.input_tokens": tokens_in,
        "gen_ai.usage.output_tokens": tokens_out,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.request.temperature": 0.2,
        "gen_ai.input.messages": text,
    }


def _chat(chance: random.Random, text: str) -> tuple[str, Attributes]:
    model = chance.choice(MODELS)
    attributes = _call(model, chance.randrange(20, 4_000), chance.randrange(1, 800), text)
    attributes["gen_ai.response.id"] = f"chatcmpl-{chance.getrandbits(64):016x}"
    return f"chat {model[1]}", attributes


def _completion(chance: random.Random, text: str) -> tuple[str, Attributes]:
    provider, _, answered = chance.choice(MODELS)
    return "ChatCompletion", {
        "openinference.span.kind": "LLM",
        "llm.system": provider,
        "llm.model_name": answered,
        "llm.token_count.prompt": chance.randrange(20, 4_000),
        "llm.token_count.completion": chance.randrange(1, 800),
        "llm.token_count.prompt_details.cache_read": 0,
        "llm.finish_reason": "stop",
        "llm.invocation_parameters": '{"temperature": 0.2}',
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": text,
    }


def _tool(chance: random.Random, text: str) -> tuple[str, Attributes]:
    tool = chance.choice(TOOLS)
    return f"execute_tool {tool}", {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": f"call_{chance.getrandbits(64):016x}",
        "gen_ai.tool.call.arguments": text,
    }


def _agent(_: random.Random, text: str) -> tuple[str, Attributes]:
    return "invoke_agent assistant", {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "assistant",
        "gen_ai.provider.name": "openai",
        "gen_ai.input.messages": text,
    }


def _http(chance: random.Random, text: str) -> tuple[str, Attributes]:
    return "POST /v1/answers", {
        "http.request.method": "POST",
        "http.route": "/v1/answers",
        "http.response.status_code": 200,
        "url.full": f"https://api.example.com/v1/answers?page={chance.randrange(1_000)}",
        "server.address": "api.example.com",
        "server.port": 443,
        "http.request.body": text,
    }


_SERVER = _Kind("opentelemetry.instrumentation.asgi", _http, Span.SPAN_KIND_SERVER)
_CLIENT = _Kind("opentelemetry.instrumentation.httpx", _http, Span.SPAN_KIND_CLIENT)
_GENAI = "opentelemetry.instrumentation.openai_v2"


def _trace(chat: _Kind) -> tuple[_Kind, ...]:
    agent = _Kind(_GENAI, _agent, Span.SPAN_KIND_INTERNAL)
    tool = _Kind(_GENAI, _tool, Span.SPAN_KIND_INTERNAL)
    return (_SERVER, agent, chat, tool, chat, tool, chat, _CLIENT)


_TRACE_SEMCONV = _trace(_Kind(_GENAI, _chat, Span.SPAN_KIND_CLIENT))
_TRACE_OPENINFERENCE = _trace(
    _Kind("openinference.instrumentation.openai", _completion, Span.SPAN_KIND_INTERNAL)
)


def _span_id(seed: int, number: int) -> bytes:
    """Unique for a seed below 2**40 and a number below 2**24; never all zero."""
    return (((seed + 1) << 24) | number).to_bytes(8, "big")


def _resource(service: str) -> Resource:
    resource = Resource()
    _write(
        resource.attributes,
        {
            "service.name": service,
            "service.version": "1.4.2",
            "deployment.environment.name": "production",
            "host.name": "node-1",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.version": "1.45.0",
        },
    )
    return resource


def _filled(
    attributes: Attributes, wanted: int, span_id: bytes, chance: random.Random
) -> Mapping[str, Value]:
    """The attributes, and the application's own up to the wanted number."""
    if len(attributes) < wanted:
        attributes["app.request_id"] = span_id.hex()
    for key, values in _APPLICATION:
        if len(attributes) >= wanted:
            break
        attributes[key] = chance.choice(values)
    number = 0
    while len(attributes) < wanted:
        attributes[f"app.field_{number}"] = chance.choice(("on", "off"))
        number += 1
    return attributes


def _write(
    target: RepeatedCompositeFieldContainer[KeyValue], attributes: Mapping[str, Value]
) -> None:
    for key, value in attributes.items():
        one = target.add(key=key).value
        if isinstance(value, str):
            one.string_value = value
        elif isinstance(value, int):
            one.int_value = value
        elif isinstance(value, float):
            one.double_value = value
        else:
            for item in value:
                one.array_value.values.add(string_value=item)
