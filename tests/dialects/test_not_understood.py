"""What no vocabulary describes is read by its names, and what cannot be read is told."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import LlmCall, ParsedRecord, Step, Tokens
from tests.spans import chat, raw_log, raw_span, read_log, read_span

ACME = {"acme.model": "acme-1", "acme.usage.prompt_tokens": 10, "acme.usage.completion_tokens": 5}
WITHOUT_MODEL = {"acme.engine": "x", "acme.usage.prompt_tokens": 10}
CONTEXT = Context()


def read(attrs: dict[str, Any], **more: Any) -> ParsedRecord:
    return read_span(raw_span(attrs, **more), CONTEXT)


def told(reading: ParsedRecord) -> tuple[str, str, int]:
    return reading.drop, reading.dialect, reading.reported_tokens


def test_a_model_and_tokens_under_names_of_their_own_are_a_call() -> None:
    reading = read(ACME)
    (call,) = reading.records
    assert isinstance(call, LlmCall)
    assert (reading.dialect, reading.precedence, reading.drop) == ("open", "evidence", "")
    assert (call.request_model, call.tokens) == ("acme-1", Tokens(input=10, output=5))


def test_an_object_of_usage_is_usage() -> None:
    reading = read(
        {"acme.model": "m", "acme.usage": '{"prompt_tokens": 3, "completion_tokens": 4}'}
    )
    (call,) = reading.records
    assert isinstance(call, LlmCall) and call.tokens == Tokens(input=3, output=4)


@pytest.mark.parametrize(("word", "kind"), [("agent", "agent"), ("tool", "tool")])
def test_what_its_own_words_call_a_step_is_one(word: str, kind: str) -> None:
    """Its tokens are those of the calls beneath."""
    reading = read(ACME | {"acme.span.kind": word})
    (step,) = reading.records
    assert isinstance(step, Step) and step.kind == kind
    assert told(reading) == ("rollup", "open", 15)


def test_what_only_encloses_is_structure_with_its_tokens_rolled_up() -> None:
    assert told(read(ACME | {"acme.span.kind": "session"})) == ("rollup", "open", 15)


@pytest.mark.parametrize("zero", [0, "", "n/a"])
def test_names_alone_are_no_call(zero: Any) -> None:
    attrs = {"acme.model": "m", "acme.usage.prompt_tokens": zero}
    assert told(read(attrs)) == ("not_llm", "", 0)


def test_a_dialect_that_is_off_leaves_nothing_to_others() -> None:
    context = Context(disabled=frozenset({"semconv"}))
    reading = read_span(raw_span(chat((10, 5))), context)
    assert told(reading) == ("not_llm", "", 0)


def test_open_names_can_be_turned_off() -> None:
    reading = read_span(raw_span(ACME), Context(disabled=frozenset({"open"})))
    assert told(reading) == ("unknown_kind", "", 15)


@pytest.mark.parametrize(
    ("attrs", "tokens"),
    [
        (WITHOUT_MODEL, 10),
        ({"acme.llm.total_tokens": 12}, 12),
        ({"acme.cacheReadInputTokens": 7, "acme.x.type": "zig"}, 7),
        ({"gen_ai.system": "acme", "gen_ai.operation.name": "zig"} | WITHOUT_MODEL, 10),
    ],
)
def test_tokens_that_are_no_call_are_told_as_lost(attrs: dict[str, Any], tokens: int) -> None:
    reading = read(attrs)
    assert (reading.drop, reading.records, reading.reported_tokens) == ("unknown_kind", (), tokens)


@pytest.mark.parametrize(
    ("attrs", "drop"),
    [
        ({"acme.llm.model": "m"}, "unknown_kind"),
        ({"acme.ai.model_name": "m", "acme.kind": "zig"}, "unknown_kind"),
        ({"acme.model": "m"}, "not_llm"),
        ({"acme.llm.model": ""}, "not_llm"),
        ({"device.model.name": "pixel"}, "not_llm"),
    ],
)
def test_a_failed_span_with_a_language_models_name_is_told_as_lost(
    attrs: dict[str, str], drop: str
) -> None:
    assert read(attrs, status=2).drop == drop
    assert read(attrs).drop == "not_llm"


@pytest.mark.parametrize(
    "attrs",
    [
        {"rate_limiter.tokens": 5, "device.model.name": "pixel"},
        {"ratelimiter.tokens.in": 5, "vehicle.model": "t"},
        {"token_bucket.tokens": 5, "token_bucket.input.tokens": 5},
        {"db.query.tokens": 5, "db.usage.input_tokens": 5, "acme.model": "m"},
        {"lexer.token_count": 90, "sql.parser.tokens": 7},
        {"oauth.token.type": "bearer", "auth.tokens": 3, "csrf.token": "5"},
        {"system.memory.usage": 1_000_000, "host.cpu.usage": 0.5, "host.model": "x"},
        {"http.request.method": "POST", "messaging.operation.type": "send"},
        {"acme.max_tokens": 4096, "acme.model": "m", "acme.tokens.limit": 5},
    ],
)
def test_other_things_have_tokens_and_models_as_well(attrs: dict[str, Any]) -> None:
    for status in (0, 2):
        assert told(read(attrs, status=status)) == ("not_llm", "", 0)


def test_impossible_numbers_of_strangers_reject_nothing() -> None:
    assert told(read({"acme.prompt_tokens": -5})) == ("not_llm", "", 0)


def test_a_log_record_with_tokens_that_nobody_knows_is_told_as_lost() -> None:
    log = raw_log({"prompt_tokens": 10, "completion_tokens": 5}, event="acme.answered")
    assert told(read_log(log, CONTEXT)) == ("unknown_kind", "", 15)
    assert told(read_log(replace(log, attrs={"x.type": "y"}), CONTEXT)) == ("not_llm", "", 0)


@pytest.mark.parametrize(
    ("attrs", "expected"),
    [
        ({"openinference.span.kind": "CHAIN", "logfire.span_type": "span"}, ""),
        ({"openinference.span.kind": "PROMPT"}, "structure"),
        ({"openinference.span.kind": "PROMPT", "llm.token_count.prompt": 5}, "rollup"),
        ({"openinference.span.kind": "EVALUATOR"}, "structure"),
    ],
)
def test_what_a_dialect_knows_and_does_not_count_is_structure(
    attrs: dict[str, Any], expected: str
) -> None:
    assert read(attrs).drop == expected


@pytest.mark.parametrize(
    "attrs",
    [
        {"gen_ai.response.time_to_first_chunk": float("nan")},
        {"operation.cost": "$0.0021"},
        {"gen_ai.usage.cached_tokens": "n/a"},
        {"gen_ai.usage.raw": '{"cached_tokens": "n/a"}'},
    ],
)
def test_an_unreadable_number_is_lost_and_never_its_call(attrs: dict[str, Any]) -> None:
    reading = read(chat((10, 5)) | attrs)
    (call,) = reading.records
    assert isinstance(call, LlmCall) and call.tokens == Tokens(input=10, output=5)
    assert (call.ttft_s, call.reported_cost, reading.unreadable) == (None, None, 1)
    assert read(chat((10, 5))).unreadable == 0


@pytest.mark.parametrize(
    "attrs",
    [
        {"car.model": "x", "car.vendor": "y", "car.usage.input": 3, "car.usage.output": 4},
        {"meter.model": "x", "electricity.usage.input": 50, "electricity.usage.total": 50},
        {"printer.model": "x", "printer.usage.total": 4},
        {"host.cpu.model.name": "x", "gpu.model": "y", "gpu.memory.usage.input": 10},
        {"limiter.model": "sliding_window", "limiter.tokens.used": 50},
    ],
)
def test_usage_of_other_things_is_none_of_ours(attrs: dict[str, Any]) -> None:
    assert told(read(attrs)) == ("not_llm", "", 0)
