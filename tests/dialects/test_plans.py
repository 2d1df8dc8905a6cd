"""Planned readings are those of a reading in full, whatever varies from span to span."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_trace_exporter.content import filters
from llm_trace_exporter.dialects import Context, RecordParser
from llm_trace_exporter.dialects import plans as plans_module
from llm_trace_exporter.errors import RejectedRecord
from llm_trace_exporter.model import LlmCall, ParsedRecord
from llm_trace_exporter.otlp.decode import decode_traces
from llm_trace_exporter.otlp.files import iter_requests
from llm_trace_exporter.otlp.records import RawSpan, Resource, Value
from tests.draws import draws
from tests.spans import call_of, chat, raw_span

HERE = Path(__file__).parents[1]
CAPTURES = sorted(path.parent for path in (HERE / "corpus").glob("*/expected.json"))
CASES = sorted((HERE / "cases").glob("*-*.json"))
SOURCES = [*CAPTURES, *CASES]
CONTEXT = Context()


@cache
def spans_of(source: Path) -> tuple[RawSpan, ...]:
    keep, _ = filters(CONTEXT, with_texts=False)
    return tuple(
        span
        for request in iter_requests(source, lambda _: None)
        if request.signal == "traces"
        for span in decode_traces(request.body, keep, request.encoding).spans
    )


def read(parser: RecordParser, span: RawSpan, *, in_full: bool = False) -> ParsedRecord | str:
    try:
        return parser.in_full(span) if in_full else parser.span(span)
    except RejectedRecord as error:
        return error.reason


def flat(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        yield from flat(part) if isinstance(part, tuple) else (part,)


def hits_of(parser: RecordParser) -> int:
    return sum(layout.deciding.hits for layout in parser._layouts._known.values())


def test_each_span_of_a_request_has_the_service_that_it_tells() -> None:
    sender, parser = Resource({}), RecordParser(CONTEXT)
    for name in "abab":
        span = replace(raw_span(chat(service__name=name, team="x")), resource=sender)
        assert call_of(parser.span(span)).origin.service == name


@pytest.mark.parametrize(
    "value", [b"x" * 90_000, 1 << 70_000, "x" * 90_000], ids=["bytes", "number", "text"]
)
def test_nothing_large_is_kept_in_a_plan(value: Any) -> None:
    parser = RecordParser(CONTEXT)
    for _ in range(8):
        parser.span(raw_span(chat(gen_ai__response__model=value)))
    assert sys.getsizeof(parser._plans._known) < 20_000
    parts = [part for shape in parser._plans._known for part in flat(shape)]
    assert max((sys.getsizeof(part) for part in parts), default=0) < 1_000


def test_zeros_of_either_sign_are_read_as_they_are() -> None:
    parser = RecordParser(CONTEXT)
    told = {"openai.response.service_tier": 0.0}
    for value in (0.0, 0.0, 0.0, -0.0):
        span = raw_span(chat() | told | {"openai.response.service_tier": value})
        assert parser.span(span) == parser.in_full(span)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_a_planned_reading_is_the_full_one(source: Path) -> None:
    planned, plain = RecordParser(CONTEXT), RecordParser(CONTEXT)
    for _ in range(4):
        for span in spans_of(source):
            assert read(planned, span) == read(plain, span, in_full=True)


def test_most_spans_of_the_captures_are_planned() -> None:
    parser, n = RecordParser(CONTEXT), 0
    for source in SOURCES:
        for _ in range(6):
            for span in spans_of(source):
                parser.span(span)
                n += parser._layouts.of(span, frozenset()).dialect is not None
    assert hits_of(parser) > 0.6 * n


TEXTS = ("", "stop", "STOP", '"stop"', "gpt-4o", "none", "tool_calls", "1", "0", "true", "error",
         "chat", "LLM", "x" * 65, "anthropic", '{"input": 3}', "12", "n/a", "batch", "embeddings",
         "resp_1", "1f0c7d5e-7d29-4f3c-9be1-6c2f0d1c2f3a")  # fmt: skip
NUMBERS = (0, 1, 7, 250, -1, 10**12, 0.0, 0.25, 1.0, float("nan"))
VALUES: tuple[Any, ...] = (
    *(*TEXTS, *NUMBERS, True, False, None),
    *(["stop"], ["stop", "length"], ["chat"], [], [1], {"total_tokens": 3}),
)


def altered(span: RawSpan, chance: random.Random) -> RawSpan:
    """A span with other ids and times, and some other values, mostly of the same type."""
    attrs = dict(span.attrs)
    for name in chance.sample(sorted(attrs), min(len(attrs), chance.choice((0, 1, 1, 2, 3)))):
        kind = type(attrs[name])
        alike = [value for value in VALUES if type(value) is kind]
        attrs[name] = chance.choice(alike or VALUES if chance.random() < 0.8 else VALUES)
    changes: dict[str, Any] = {
        "attrs": attrs,
        "span_id": chance.randbytes(8),
        "start_ns": span.start_ns + chance.randrange(10**9),
    }
    if chance.random() < 0.1:
        changes |= {"end_ns": 0}
    if chance.random() < 0.1:
        changes |= {"status_code": chance.choice((0, 1, 2)), "kind": chance.choice((1, 3))}
    if chance.random() < 0.1:
        changes |= {"parent_span_id": chance.choice((b"", b"parent_1")), "events": ()}
    if chance.random() < 0.1:
        changes |= {"name": chance.choice(("chat gpt-4o", "models.list", "handoff to b"))}
    if chance.random() < 0.1:
        changes |= {"resource": Resource({"service.name": chance.choice("ab"), "team": "t"})}
    if chance.random() < 0.05:
        changes |= {"trace_state": "ot=th:8"}
    return replace(span, **changes)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_value_that_decides_is_missing_in_a_shape(source: Path) -> None:
    """With a plan at hand, one attribute of the span becomes another, and then a second one."""
    chance = random.Random(source.name)
    planned, plain = RecordParser(CONTEXT), RecordParser(CONTEXT)
    for span in {(s.name, *s.attrs): s for s in spans_of(source)}.values():
        for _ in range(3):
            planned.span(span)
        for name, value in span.attrs.items():
            alike = [other for other in VALUES if type(other) is type(value)]
            for other in chance.sample(alike, min(3, len(alike))):
                planned.span(span)
                told = replace(span, attrs=span.attrs | {name: other})
                assert read(planned, told) == read(plain, told, in_full=True), name


@draws(60)
@given(st.integers(0, 2**32), st.sampled_from(CAPTURES))
def test_whatever_differs_is_read(seed: int, source: Path) -> None:
    """No value that decides is missing among those by which a plan is found."""
    chance = random.Random(seed)
    planned, plain = RecordParser(CONTEXT), RecordParser(CONTEXT)
    spans = spans_of(source)
    for span in chance.choices(spans, k=min(60, 6 * len(spans))) if spans else ():
        for told in (span, altered(span, chance), altered(span, chance)):
            full = read(plain, told, in_full=True)
            assert read(planned, told) == full


@pytest.mark.parametrize("told", [1, 1.0, True, "1"])
def test_what_is_equal_and_another_type_is_not_mixed_up(told: Value) -> None:
    parser = RecordParser(CONTEXT)
    for value in (told, 1, 1.0, True, "1", told):
        span = raw_span(chat() | {"gen_ai.response.model": value})
        assert parser.span(span) == parser.in_full(span)


def held(parser: RecordParser) -> str:
    return repr([*parser._plans._known.items()])


def test_a_plan_keeps_no_long_text_and_no_id() -> None:
    parser = RecordParser(CONTEXT)
    secret = "what was asked " * 20
    for n in range(9):
        attrs = chat() | {"gen_ai.response.id": f"resp-{n}", "gen_ai.response.model": secret}
        parser.span(raw_span(attrs))
        parser.span(raw_span(chat(), name=secret))
    assert hits_of(parser) == 0
    assert secret not in held(parser)
    for n in range(9):
        attrs = chat() | {"gen_ai.response.id": f"resp-{n}", "team": "blue", "user.id": "ann"}
        parser.span(raw_span(attrs, trace=b"traced-by-id-no-"))
    assert hits_of(parser) > 0
    assert not [word for word in ("resp-", "blue", "ann", "traced-by") if word in held(parser)]


def test_a_flood_of_shapes_is_bounded_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans_module, "MAX_PLANS", 64)
    parser = RecordParser(CONTEXT)
    for n in range(3_000):
        span = raw_span(chat() | {"gen_ai.response.model": f"m-{n}"})
        assert call_of(parser.span(span)).response_model == f"m-{n}"
        assert len(parser._plans._known) <= 64
    layouts: Iterator[Any] = iter(parser._layouts._known.values())
    assert not any(layout.deciding.is_planned for layout in layouts)


def test_the_next_of_a_shape_is_planned() -> None:
    parser = RecordParser(CONTEXT)
    found = [
        call_of(parser.span(raw_span(chat((n, 2 * n)) | {"gen_ai.response.id": f"resp-{n}"})))
        for n in range(1, 9)
    ]
    assert hits_of(parser) >= 5
    assert [call.response_id for call in found] == [f"resp-{n}" for n in range(1, 9)]
    assert all(isinstance(call, LlmCall) for call in found)
    assert [c.tokens.total for c in found if c.tokens] == [3 * n for n in range(1, 9)]
