"""Listeners hear what was said in settled calls, once, and nothing else knows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.content import (
    ContentBuffer,
    ContentBufferLimits,
    ContentConsumer,
    ContentDispatcher,
)
from llm_trace_exporter.content.record import CallContent
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.model import Verdict
from llm_trace_exporter.settled import PricedCall
from tests.e2e.wire import Log, Span, logs, traces
from tests.facts import Samples
from tests.spans import chat

WAIT_S = 10.0
LIMITS = ContentBufferLimits()


class Room:
    """An engine, and someone who listens to it."""

    def __init__(self, limits: ContentBufferLimits = LIMITS, **wants: Any) -> None:
        self.engine = Engine(Settings(zero_hold_s=0))
        self.captured: list[tuple[PricedCall, CallContent]] = []
        self.wanted = True
        self.failures: list[Exception] = []
        self.dispatcher = ContentDispatcher(
            [
                ContentConsumer(
                    lambda *told: self.captured.append(told), lambda _: self.wanted, **wants
                )
            ],
            ContentBuffer(limits),
            max_chars=1000,
            failed=self.failures.append,
        )
        self.engine.ingester.dispatch_to(self.dispatcher)

    def send(self, *spans: Span, said: tuple[Log, ...] = ()) -> None:
        self.engine.ingester.ingest_request("traces", "protobuf", traces(*spans), "file")
        if said:
            self.engine.ingester.ingest_request("logs", "protobuf", logs(*said), "file")

    def settled(self) -> list[CallContent]:
        self.engine.ingester.settle_all()
        assert self.dispatcher.flush(WAIT_S)
        return [exchange for _, exchange in self.captured]


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    room.dispatcher.close(WAIT_S)


def said(question: str, answer: str, **more: Any) -> dict[str, Any]:
    """A chat call with its texts."""
    return {
        **chat(**more),
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": question}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": answer}]),
    }


def test_what_was_said_is_heard_when_the_call_settles(room: Room) -> None:
    room.send(Span(said("why?", "because")))
    assert room.captured == []
    (exchange,) = room.settled()
    assert (exchange.user, exchange.answer) == ("why?", "because")
    assert room.captured[0][0].model == "gpt-4o"
    assert len(room.dispatcher.buffer) == 0


def test_a_call_sent_again_is_heard_once(room: Room) -> None:
    body = traces(Span(said("why?", "because")))
    for _ in range(2):
        room.engine.ingester.ingest_request("traces", "protobuf", body, "file")
    assert len(room.settled()) == 1


def test_of_a_nest_of_calls_the_one_that_has_texts_tells_them(room: Room) -> None:
    outer = Span({**said("why?", "because"), "gen_ai.usage.input_tokens": 10})
    room.send(outer, Span(chat(), parent=0))
    (exchange,) = room.settled()
    assert (exchange.user, exchange.answer) == ("why?", "because")


def test_documents_of_the_trace_are_those_retrieved_before_the_call(room: Room) -> None:
    def retrieval(text: str, start_ms: int) -> Span:
        attrs = {
            "openinference.span.kind": "RETRIEVER",
            "retrieval.documents.0.document.content": text,
        }
        return Span(attrs, name="handbook", start_ms=start_ms, end_ms=start_ms + 500, parent=0)

    root = Span({"openinference.span.kind": "CHAIN"}, end_ms=9000)
    call = Span(said("why?", "because"), start_ms=5000, end_ms=6000, parent=0)
    room.send(root, call, retrieval("before", 4000), retrieval("after", 7000))
    room.send(root, retrieval("elsewhere", 4000))
    (exchange,) = room.settled()
    assert exchange.documents == ("before",)


def test_failed_and_wordless_calls_and_those_of_judges_are_not_heard(room: Room) -> None:
    room.send(
        Span({"openinference.span.kind": "EVALUATOR"}),
        Span(said("a", "b"), parent=0),
        Span(said("a", "b"), error="Error code: 429"),
        Span({**said("a", "b"), "gen_ai.operation.name": "embeddings"}),
    )
    assert room.settled() == []


def test_what_nobody_picks_is_forgotten(room: Room) -> None:
    room.wanted = False
    room.send(Span(said("a", "b")))
    assert room.settled() == []
    assert len(room.dispatcher.buffer) == 0


def test_memory_is_bounded_and_the_numbers_stay() -> None:
    room = Room(ContentBufferLimits(max_entries=3))
    room.send(*(Span(said(f"question {n}", "answer")) for n in range(10)))
    assert len(room.dispatcher.buffer) == 3
    assert {e.user for e in room.settled()} == {"question 7", "question 8", "question 9"}
    assert room.dispatcher.buffer.evicted == 7
    page = Samples(room.engine.exposition.render().body.decode())
    assert page.total("llm_requests_total") == 10
    room.dispatcher.close(WAIT_S)


def test_bytes_are_bounded() -> None:
    room = Room(ContentBufferLimits(max_bytes=100_000))
    room.send(*(Span(said("q" * 10_000, "a")) for _ in range(20)))
    assert 0 < room.dispatcher.buffer.size_bytes <= 100_000
    room.settled()
    assert room.dispatcher.buffer.size_bytes == 0
    room.dispatcher.close(WAIT_S)


def test_what_is_too_old_is_forgotten() -> None:
    room = Room(ContentBufferLimits(max_age_s=-1))
    room.send(Span(said("a", "b")))
    room.send(Span(said("c", "d")))
    assert [e.user for e in room.settled()] == ["c"]
    room.dispatcher.close(WAIT_S)


def breaks(*_: object) -> Any:
    raise ValueError("canary")


@pytest.mark.parametrize(
    ("listener", "captured"),
    [
        (ContentConsumer(breaks), 1),
        # Who chooses is asked while the call is counted: that goes on, whoever hears of it.
        (ContentConsumer(lambda *_: None, selects=breaks), 0),
        (ContentConsumer(lambda *_: None, may_select=breaks), 0),
        (ContentConsumer(lambda *_: None, may_select_trace=breaks), 0),
    ],
    ids=["hears", "picks", "wants", "wants_trace"],
)
def test_a_listener_that_breaks_is_not_the_end(
    caplog: pytest.LogCaptureFixture, listener: ContentConsumer, captured: int
) -> None:
    room = Room()
    dispatcher = ContentDispatcher(
        [listener, ContentConsumer(lambda *told: room.captured.append(told))],
        ContentBuffer(ContentBufferLimits()),
        max_chars=1000,
        failed=room.failures.append,
    )
    room.engine.ingester.dispatch_to(dispatcher)
    room.send(Span(said("canary", "canary")))
    room.engine.ingester.settle_all()
    assert dispatcher.flush(WAIT_S)
    assert len(room.captured) == captured
    assert {type(failure) for failure in room.failures} == {ValueError}
    page = Samples(room.engine.exposition.render().body.decode())
    assert page.total("llm_requests_total") == 1
    assert "canary" not in caplog.text
    for each in (dispatcher, room.dispatcher):
        each.close(WAIT_S)


def test_verdicts_of_our_own_are_counted_with_the_labels_of_the_call(room: Room) -> None:
    room.send(Span(said("a", "b")))
    room.settled()
    call = room.captured[0][0]
    verdict = Verdict(
        call.call.origin, call.call.end_ns + 10**9, "tone", "code", "fail", model=call.model
    )
    for _ in range(2):
        room.engine.ingester.ingest_verdicts([verdict])
    room.engine.ingester.settle_all()
    page = Samples(room.engine.exposition.render().body.decode())
    assert page.total("llm_judge_verdicts_total", judge="tone", verdict="fail", model="gpt-4o") == 1
    assert page.total("llm_exporter_log_records_received_total") == 0


def test_nobody_listens_and_no_text_is_read() -> None:
    engine = Engine(Settings())
    assert not engine.ingester._span_keys.keeps_wire
    assert not engine.ingester._log_keys.keep("gen_ai.input.messages")
    assert not engine.ingester._log_keys.keep("llm.input_messages.0.message.content")
    room = Room()
    assert room.engine.ingester._log_keys.keep("gen_ai.input.messages")
    room.engine.ingester.dispatch_to(None)
    assert not room.engine.ingester._log_keys.keep("gen_ai.input.messages")
    room.dispatcher.close(WAIT_S)


def test_texts_that_nobody_could_pick_are_not_even_held() -> None:
    room = Room(may_select=lambda call: call.origin.dimensions[0] == "refunds")
    room.send(Span({**said("a", "b"), "feature": "refunds"}), Span(said("c", "d")))
    assert len(room.dispatcher.buffer) == 1
    (exchange,) = room.settled()
    assert exchange.user == "a"
    room.dispatcher.close(WAIT_S)


def test_nothing_is_held_of_traces_that_nobody_wants() -> None:
    room = Room(may_select_trace=lambda _: False)
    retrieval = {
        "openinference.span.kind": "RETRIEVER",
        "retrieval.documents.0.document.content": "text",
    }
    room.send(Span(said("a", "b")), Span(retrieval, parent=0))
    assert len(room.dispatcher.buffer) == 0
    assert room.settled() == []
    room.dispatcher.close(WAIT_S)
