"""Conventions of an operator's own: from the configuration to the numbers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.config import Settings, parse_config
from llm_trace_exporter.config.bind import load_schema
from llm_trace_exporter.config.settings import DialectSettings
from llm_trace_exporter.dialects import KINDS_BY_NAME, RecordParser
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.engine.wiring import context
from llm_trace_exporter.errors import ConfigError, RejectedRecord
from llm_trace_exporter.model import LlmCall
from tests.e2e.wire import Span, traces
from tests.facts import Samples
from tests.spans import raw_span

ACME = """
zero_hold: 0s
conventions:
  - name: acme
    detect: {scopes: [acme-llm], attributes: [acme.kind], resource_attributes: [acme.sdk]}
    kind:
      keys: [acme.kind]
      values: {Completion: chat, vector: embeddings, lookup: retrieval, fn: tool, ping: ignore}
    model: {request: [acme.wanted], response: [acme.served]}
    provider: {keys: [acme.by], default: openai}
    usage:
      input: [acme.tok.in]
      output: [acme.tok.out]
      cache_read: ["acme.tok.more#cached"]
      object: ["acme.bill#units"]
      cache: exclusive
    cost: [acme.usd]
    finish_reason: [acme.end]
    response_id: [acme.answer]
    streaming: [acme.live]
    time_to_first_token: {keys: [acme.first], unit: ms}
    session: [acme.talk]
    feature: [acme.part]
"""
CALL: dict[str, Any] = {
    "acme.kind": "completion",
    "acme.wanted": "gpt-4o",
    "acme.served": "gpt-4o-2024-08-06",
    "acme.tok.in": 100,
    "acme.tok.out": 7,
}
PLAIN = Settings(zero_hold_s=0.0)


def counted(engine: Engine, *spans: Span, scope: str = "acme-llm.client", **more: Any) -> Samples:
    """The metrics after a request, everything settled."""
    engine.ingester.ingest_request(
        "traces", "protobuf", traces(*spans, scope=scope, **more), "file"
    )
    engine.ingester.settle_all()
    return Samples(engine.exposition.render("").body.decode())


def told(text: str, *spans: Span, **more: Any) -> Samples:
    """The metrics that a configuration makes of spans."""
    return counted(Engine(parse_config(text, "c.yml")), *spans, **more)


def tokens(at: Samples) -> dict[str, float]:
    return at.by("llm_tokens_total", "type")


def test_every_fact_of_a_convention_is_read() -> None:
    facts = {
        "acme.tok.more": '{"cached": 60}',
        "acme.usd": 0.25,
        "acme.end": "max_tokens",
        "acme.live": True,
        "acme.first": 400,
        "acme.part": "search",
        "feature": "not this",
    }
    at = told(ACME, Span(CALL | facts))
    labels = {
        "provider": "openai",
        "model": "gpt-4o",
        "operation": "chat",
        "feature": "search",
    }
    assert at.total("llm_requests_total", **labels, outcome="ok") == 1
    assert tokens(at) == {"input": 100, "cache_read": 60, "output": 7}
    assert at.total("llm_cost_usd_total", cost_source="reported") == 0.25
    assert at.by("llm_finish_reasons_total", "reason") == {"length": 1}
    assert at.total("llm_request_time_to_first_token_seconds_sum") == pytest.approx(0.4)
    assert at.by("llm_exporter_spans_received_total", "dialect") == {"acme": 1}


def test_a_provider_on_the_span_comes_before_the_default() -> None:
    at = told(ACME, Span(CALL | {"acme.by": "cohere"}))
    assert at.by("llm_requests_total", "provider") == {"cohere": 1}


def test_members_of_an_object_are_counts() -> None:
    usage = '{"units": {"prompt": 30, "completion": 4, "cached": 6}}'
    attrs = {k: v for k, v in CALL.items() if "tok" not in k} | {"acme.bill": usage}
    assert tokens(told(ACME, Span(attrs))) == {"input": 30, "cache_read": 6, "output": 4}


def test_kinds_are_told_by_the_table_the_vocabulary_and_the_evidence() -> None:
    spans = [
        Span(CALL | {"acme.kind": kind}, start_ms=2000 * n, end_ms=2000 * n + 1)
        for n, kind in enumerate(["vector", "chat_model", "what nobody lists", "ping"])
    ]
    steps = [Span({"acme.kind": kind}, name=kind) for kind in ("lookup", "fn")]
    at = told(ACME, *spans, *steps)
    assert at.by("llm_requests_total", "operation") == {"embeddings": 1, "chat": 2}
    found = at.by("llm_step_duration_seconds_count", "step")
    assert found == {"retrieval": 1, "tool": 1}
    assert tokens(at) == {"input": 300, "output": 21}
    assert at.by("llm_exporter_discarded_total", "reason") == {"not_llm": 1}


def test_a_call_that_failed_counts_without_usage() -> None:
    attrs = {k: v for k, v in CALL.items() if k in ("acme.kind", "acme.wanted")}
    at = told(ACME, Span(attrs, error="429 too many requests"))
    assert at.by("llm_requests_total", "error_type", outcome="error") == {"rate_limited": 1}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", {"input": 100, "cache_read": 60}),
        ("cache_inclusion: {acme-llm: inclusive}", {"input": 40, "cache_read": 60}),
        ("cache_inclusion: {acme-llm: {openai: inclusive}}", {"input": 40, "cache_read": 60}),
        ("cache_inclusion: {acme-llm: {anthropic: inclusive}}", {"input": 100, "cache_read": 60}),
    ],
)
def test_whether_input_contains_cached_tokens_is_the_operators_word(
    more: str, expected: dict[str, float]
) -> None:
    attrs = CALL | {"acme.tok.more": '{"cached": 60}', "acme.tok.out": 0}
    assert tokens(told(ACME + more, Span(attrs), scope="acme-llm")) == expected
    inclusive = ACME.replace("cache: exclusive", "cache: inclusive")
    contained = {"input": 40, "cache_read": 60}
    assert tokens(told(inclusive, Span(attrs), scope="acme-llm.client")) == contained


@pytest.mark.parametrize(("provider", "is_assumed"), [("anthropic", True), ("openai", False)])
def test_what_is_left_unsaid_of_the_cache_is_assumed(provider: str, is_assumed: bool) -> None:
    """Anthropic's own counts leave cached tokens out: the emitter may have changed that, or not."""
    unsaid = parse_config(ACME.replace("      cache: exclusive\n", ""), "c.yml")
    attrs = CALL | {"acme.by": provider, "acme.tok.more": {"cached": 60}}
    (call,) = RecordParser(context(unsaid)).span(raw_span(attrs)).records
    assert isinstance(call, LlmCall) and call.tokens is not None
    assert (call.tokens.input, call.tokens.inclusion_assumed) == (40, is_assumed)


def test_one_scope_may_differ_by_provider() -> None:
    """A gateway hands on what each provider says."""
    text = "zero_hold: 0s\ncache_inclusion: {gateway: {anthropic: exclusive, openai: inclusive}}"
    usage = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 1,
        "gen_ai.usage.cache_read.input_tokens": 60,
    }
    spans = [
        Span({"gen_ai.operation.name": "chat", "gen_ai.request.model": model, **usage, **named})
        for model, named in (
            ("claude-sonnet-4-5", {"gen_ai.provider.name": "anthropic"}),
            ("gpt-4o", {"gen_ai.provider.name": "openai"}),
        )
    ]
    at = told(text, *spans, scope="gateway")
    by_provider = at.by("llm_tokens_total", "provider", type="input")
    assert by_provider == {"anthropic": 100, "openai": 40}


@pytest.mark.parametrize(
    ("scope", "attrs", "resource", "dialect"),
    [
        ("acme-llm", {}, {}, "acme"),
        ("acme-llm/2", {}, {}, "acme"),
        ("other", {"acme.kind": "completion"}, {}, "acme"),
        ("other", {}, {"acme__sdk": "1"}, "acme"),
        # A shipped convention knows it, too: the operator's word is first.
        ("openlit", {"acme.kind": "completion"}, {}, "acme"),
        ("openlit", {}, {}, "openlit"),
        ("other", {}, {}, ""),
    ],
)
def test_any_mark_gives_a_convention_away(
    scope: str, attrs: dict[str, Any], resource: dict[str, Any], dialect: str
) -> None:
    at = told(ACME, Span({"acme.wanted": "x", **attrs}), scope=scope, **resource)
    assert at.by("llm_exporter_spans_received_total", "dialect") == {dialect: 1}


def test_facts_of_the_otel_conventions_need_no_entry() -> None:
    attrs = {"acme.kind": "completion", "gen_ai.request.model": "gpt-4o"}
    usage = {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 2}
    at = told(ACME, Span(attrs | usage))
    assert tokens(at) == {"input": 9, "output": 2}


def test_the_first_of_two_conventions_reads_what_both_know() -> None:
    other = "  - {name: other, detect: {scopes: [acme]}, model: {request: [acme.served]}}\n"
    at = told(ACME + other, Span(CALL))
    at_other = told(ACME + other, Span(CALL | {"acme.kind": "x"}), scope="acme-tools")
    assert at.by("llm_exporter_spans_received_total", "dialect") == {"acme": 1}
    assert at_other.by("llm_exporter_spans_received_total", "dialect") == {"acme": 1}
    without_kind = {k: v for k, v in CALL.items() if k != "acme.kind"}
    at = told(ACME + other, Span(without_kind), scope="acme-tools")
    assert at.by("llm_exporter_spans_received_total", "dialect") == {"other": 1}


def test_a_convention_can_be_off_and_its_cost_ignored() -> None:
    settings = parse_config(ACME, "c.yml")
    off = replace(settings, dialects={"acme": DialectSettings(enabled=False)})
    at = counted(Engine(off), Span(CALL))
    assert at.by("llm_exporter_spans_received_total", "dialect") == {"": 1}
    ignoring = replace(settings, dialects={"acme": DialectSettings(reported_cost="ignore")})
    at = counted(Engine(ignoring), Span(CALL | {"acme.usd": 5.0}))
    assert set(at.by("llm_cost_usd_total", "cost_source")) == {"list"}


def test_a_reload_adds_a_convention_and_takes_it_away() -> None:
    """The attributes it reads were not even decoded before."""
    engine = Engine(PLAIN)
    assert counted(engine, Span(CALL), scope="other").total("llm_requests_total") == 0
    engine.apply(parse_config(ACME, "c.yml"))
    at = counted(engine, Span(CALL), scope="other")
    assert tokens(at) == {"input": 100, "output": 7}
    renamed = ACME.replace("acme.tok.in", "acme.units.in")
    engine.apply(parse_config(renamed, "c.yml"))
    at = counted(engine, Span(CALL | {"acme.units.in": 900}), scope="other")
    assert tokens(at)["input"] == 1000
    engine.apply(PLAIN)
    assert tokens(counted(engine, Span(CALL), scope="other"))["input"] == 1000


def test_a_session_is_remembered_by_its_hash_alone() -> None:
    parser = RecordParser(context(parse_config(ACME, "c.yml")))
    one, same, other = (
        parser.span(raw_span(CALL | {"acme.talk": talk})) for talk in ("a@b.c", "a@b.c", "d")
    )
    assert one.group == same.group != other.group
    assert "a@b.c" not in repr(one)


def test_features_need_their_dimension() -> None:
    with pytest.raises(ConfigError, match=r"conventions\[0\].feature: found attributes for no"):
        parse_config(ACME + "dimensions: [{label: team, keys: [team]}]\n", "c.yml")
    people = ACME.replace("acme.part", "customer.email")
    with pytest.raises(ConfigError, match="identifies a person"):
        parse_config(people, "c.yml")
    allowed = "dimensions: [{label: feature, keys: [app.feature], identifying: true}]\n"
    at = told(people + allowed, Span(CALL | {"customer.email": "a b", "app.feature": "no"}))
    assert at.by("llm_requests_total", "feature") == {"a b": 1}


def test_kinds_of_the_schema_are_those_of_the_dialects() -> None:
    kind = load_schema()["properties"]["conventions"]["items"]["properties"]["kind"]
    values = kind["properties"]["values"]["additionalProperties"]["enum"]
    assert values == list(KINDS_BY_NAME)


KEYS = [
    *("acme.kind", "acme.wanted", "acme.served", "acme.by", "acme.tok.in", "acme.tok.out"),
    *("acme.tok.more", "acme.bill", "acme.usd", "acme.end", "acme.answer", "acme.live"),
    *("acme.first", "acme.talk", "acme.part"),
]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.binary(max_size=8), st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    st.sampled_from(["completion", "ping", '{"cached": 5}', '{"units": [1]}', "{'units': 0x1}"]),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_values_are_read_or_rejected(attrs: dict[str, Any]) -> None:
    parser = RecordParser(context(parse_config(ACME, "c.yml")))
    with suppress(RejectedRecord):
        parser.span(raw_span(attrs, scope="acme-llm"))


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_tokens_beside_each_other_add_up(read: int, cached: int, written: int) -> None:
    parser = RecordParser(context(parse_config(ACME, "c.yml")))
    attrs = CALL | {
        "acme.tok.in": read, "acme.tok.out": written, "acme.tok.more": {"cached": cached},
    }  # fmt: skip
    (call,) = (r for r in parser.span(raw_span(attrs)).records if isinstance(r, LlmCall))
    assert (call.tokens.total if call.tokens else 0) == read + cached + written
