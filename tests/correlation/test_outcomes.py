"""How a call ended, where only what is beneath or around it says so."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from llm_trace_exporter.correlation import Correlator, Limits
from llm_trace_exporter.correlation.packed_trace import freeze, thaw
from llm_trace_exporter.model import LlmCall
from llm_trace_exporter.otlp.records import RawSpan
from tests.correlation.test_pipeline import CONTEXT, add, by_reason, calls, fed
from tests.spans import CHAT, chat, raw_span, read_span, trace_id

URL = "https://api.example.com/v1/chat/completions?key=secret"
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper"}
SILENT = {key: CHAT[key] for key in ("gen_ai.operation.name", "gen_ai.request.model")}
UNSAID = {"error.type": "_OTHER"}


def http(outer: RawSpan, status: int = 0, start_s: float = 0.0, **attrs: Any) -> RawSpan:
    told = {"http.request.method": "POST", "url.full": URL}
    if status:
        told["http.response.status_code"] = str(status)
    told |= {key.replace("__", "."): value for key, value in attrs.items()}
    return raw_span(
        told, trace=outer.trace_id, parent=outer.span_id, scope="httpx",
        start_s=start_s, duration_s=0.1, status=2 if "error.type" in told else 0,
    )  # fmt: skip


def only(*spans: RawSpan) -> LlmCall:
    """The one call, the same in any order."""
    found = {_said(call): call for order in permutations(spans) for call in calls(fed(*order))}
    assert len(found) == 1, found
    return next(iter(found.values()))


def _said(call: LlmCall) -> tuple[Any, ...]:
    return call.error_type, call.gateway_events, call.tokens


def failed(**more: Any) -> RawSpan:
    return raw_span(SILENT | UNSAID, status=2, duration_s=5, **more)


def test_a_failure_that_is_not_explained_has_its_last_attempts_error() -> None:
    call = failed()
    assert only(call, http(call, 429)).error_type == "rate_limited"
    assert only(call, http(call, 500), http(call, 429, 1)).error_type == "rate_limited"
    explained = raw_span(SILENT | {"error.type": "ReadTimeout"}, status=2)
    assert only(explained, http(explained, 429)).error_type == "timeout"
    assert only(call, http(call, 200)).error_type == "other"


def test_a_call_without_an_answer_failed_where_its_attempt_did() -> None:
    call = raw_span(SILENT, duration_s=5)
    timed_out = http(call, error__type="httpx.ReadTimeout")
    assert only(call, timed_out).error_type == "timeout"
    assert only(call, http(call, 200)).error_type == ""
    assert only(call, timed_out, http(call, 200, 1)).error_type == ""
    answered = raw_span(chat((10, 5)), duration_s=5)
    assert only(answered, http(answered, error__type="httpx.ReadTimeout")).error_type == ""


def test_attempts_before_the_last_are_retries() -> None:
    call = raw_span(chat((10, 5)), duration_s=5)
    attempts = http(call, 429), http(call, 503, 1), http(call, 200, 2)
    assert only(call, *attempts).gateway_events == (("retry", 2),)
    assert only(call, http(call, 200), http(call, 200, 1)).gateway_events == ()
    told = raw_span(chat((10, 5), gen_ai__request__retry_count=5), duration_s=5)
    assert only(told, http(told, 429), http(told, 200, 1)).gateway_events == (("retry", 5),)


def test_one_request_told_by_two_libraries_is_one_attempt() -> None:
    call = raw_span(chat((10, 5)), duration_s=5)
    above = http(call, 429)
    assert only(call, above, http(above, 429), http(call, 200, 1)).gateway_events == (("retry", 1),)


def test_attempts_are_the_nearest_calls() -> None:
    outer = raw_span(chat((10, 5)), service="app", duration_s=5)
    inner = raw_span(
        chat((10, 5)), trace=outer.trace_id, parent=outer.span_id, scope="sdk",
        service="gateway", start_s=1,
    )  # fmt: skip
    found = only(outer, inner, http(inner, 429, 1), http(inner, 200, 1.2))
    assert (found.origin.service, found.gateway_events) == ("app", (("retry", 1),))


def test_what_a_tool_of_a_call_asked_for_is_no_attempt_of_it() -> None:
    call = raw_span(chat((10, 5)), duration_s=5)
    tool = beneath(call, {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ask"})
    assert only(call, tool, http(tool, 429), http(tool, 200, 1)).gateway_events == ()


def test_who_asks_for_the_list_of_models_makes_no_call() -> None:
    call = failed()
    asks: dict[str, Any] = {
        "http__request__method": "GET",
        "url__full": "https://api.example.com/v1/models",
    }
    output = fed(call, http(call, 401, **asks))
    assert (calls(output), by_reason(output)) == ([], {"not_llm": (2, 0)})
    assert only(call, http(call, 401, **asks), http(call, 401)).error_type == "auth"
    assert calls(fed(raw_span(SILENT | UNSAID, name="openai.models.list", status=2))) == []


@pytest.mark.parametrize(
    ("method", "status", "address", "found"),
    [
        ("http.method", "http.status_code", "http.url", "server_error"),
        ("http.request.method", "http.response.status_code", "url.full", "server_error"),
        ("http.request.method", "http.response.status_code", "url.template", None),
    ],
)
def test_both_conventions_are_read(
    method: str, status: str, address: str, found: str | None
) -> None:
    attempt = read_span(raw_span({method: "POST", status: 500, address: URL}), CONTEXT).attempt
    assert (attempt.error_type if attempt else None) == found
    assert "secret" not in repr(attempt)


@pytest.mark.parametrize(
    ("path", "generates"),
    [
        ("/v1/responses", True),
        ("/openai/deployments/x/chat/completions?api-version=1", True),
        ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", True),
        ("/model/us.anthropic.claude/converse-stream", True),
        ("/v1/messages", True),
        ("/v1/messages/count_tokens", None),
        ("/v1/vectors/query", None),
        ("/checkout", None),
    ],
)
def test_only_requests_to_models_are_attempts(path: str, generates: bool | None) -> None:
    attempt = read_span(raw_span({"http.method": "POST", "http.url": f"https://a{path}"}), CONTEXT)
    assert (attempt.attempt.is_generation if attempt.attempt else None) is generates


def agent(error: str = "RateLimitError", duration_s: float = 5.01) -> RawSpan:
    told = AGENT | ({"error.type": error} if error else {})
    return raw_span(told, status=2 if error else 0, duration_s=duration_s)


def beneath(outer: RawSpan, attrs: dict[str, Any], **more: Any) -> RawSpan:
    return raw_span(attrs, trace=outer.trace_id, parent=outer.span_id, **more)


@pytest.mark.parametrize(
    ("around", "said", "error"),
    [
        (agent(), SILENT, "rate_limited"),
        (agent(), SILENT | UNSAID, "rate_limited"),
        (agent(), SILENT | {"error.type": "ReadTimeout"}, "timeout"),
        (agent(duration_s=9), SILENT, ""),
        (agent("ValueError"), SILENT, ""),
        (agent(""), SILENT, ""),
        (agent(), chat((10, 5)), ""),
        (agent(), SILENT | {"gen_ai.response.finish_reasons": ["stop"]}, ""),
    ],
)
def test_a_call_without_an_answer_has_the_error_of_the_agent_that_ended_with_it(
    around: RawSpan, said: dict[str, Any], error: str
) -> None:
    assert only(around, beneath(around, said, duration_s=5)).error_type == error


def test_an_agent_that_went_on_did_not_fail_with_its_call() -> None:
    around = agent()
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "ask"}
    call = beneath(around, SILENT, duration_s=4.99)
    later = beneath(around, tool, start_s=4.995, duration_s=0.01)
    assert only(around, call, later).error_type == ""


def test_attempts_are_remembered_in_a_frozen_trace() -> None:
    call = raw_span(SILENT, trace=trace_id())
    correlator = Correlator(Limits())
    add(correlator, http(call, 429), 0.0)
    (trace,) = correlator.memories.table._live.values()
    assert thaw(trace.trace_id, freeze(trace)).attempts == trace.attempts != {}
