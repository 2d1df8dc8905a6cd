"""Of every capture: each record is explained once, and what is explained is what is counted."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from llm_trace_exporter.explain.records import discards_of, totals_of
from llm_trace_exporter.explain.tree import tree_of
from llm_trace_exporter.model import TOKEN_TYPES
from llm_trace_exporter.otlp.files import FileRequest, iter_requests
from tests.explain.explained import Replay, replayed
from tests.test_accounting import OVERWRITTEN
from tests.test_corpus import CORPUS, SOURCES
from tests.test_order import split

TOLD_TWICE = ("claude-code", "openinference-langchain-openai", "otel-genai-anthropic")
"""Captures whose calls are told by two spans or on two signals."""


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_explained_is_what_is_counted(source: str) -> None:
    replay = replayed(iter_requests(CORPUS / source, lambda _: None))
    agrees(replay, OVERWRITTEN.get(source, 0))

    # A tree holds each record once, and what is merged names one that counts.
    for trace in replay.log.traces():
        shown = [id(place.record) for place in tree_of(trace.records)]
        assert sorted(shown) == sorted(map(id, trace.records))
    counts = {
        (one.arrival.trace_id, one.arrival.span_id)
        for one in replay.records
        if one.state == "counted"
    }
    assert {one.into for one in replay.records if one.state == "merged"} <= counts


@pytest.mark.parametrize("source", ["openinference-evals", "claude-code", "langfuse", "trulens"])
def test_what_is_sent_twice_is_explained_twice(source: str) -> None:
    requests = [*iter_requests(CORPUS / source, lambda _: None)]
    replay = replayed(requests * 2)
    agrees(replay)
    states = Counter(one.state for one in replay.records)
    once = Counter(one.state for one in replayed(requests).records)
    assert states["counted"] == once["counted"]
    assert states["resent"] > 0


@pytest.mark.parametrize("seed", range(5))
def test_however_records_arrive_what_is_explained_is_what_is_counted(seed: int) -> None:
    """Split, shuffled, some sent again, settled now and then: late ones, and late usage."""
    draw = random.Random(seed)
    apart = [one for source in TOLD_TWICE for one in split(source)]
    sent = [*apart, *draw.sample(apart, len(apart) // 4)]
    draw.shuffle(sent)
    requests = [
        FileRequest("logs" if signal == "logs" else "traces", "protobuf", body, "")
        for signal, body in sent
    ]
    replay = replayed(requests, settles=lambda: draw.random() < 0.1)
    agrees(replay)
    states = {one.state for one in replay.records}
    assert {"counted", "merged", "discarded", "resent"} <= states
    assert "late" in {one.reason for one in replay.records}


def agrees(replay: Replay, lost: int = 0) -> None:
    """Records, tokens, dollars and reasons are those of the metrics."""
    at, records = replay.samples, replay.records
    received = Counter(one.arrival.signal for one in records)
    assert received["span"] == at.total("llm_exporter_spans_received_total")
    assert received["log"] == at.total("llm_exporter_log_records_received_total")
    assert "waiting" not in {one.state for one in records}

    discarded = Counter(reason for one in records for reason in discards_of(one))
    # Calls that no record tells any more have no line.
    discarded.update({"structure": lost} if lost else {})
    assert discarded == at.by("llm_exporter_discarded_total", "reason")

    charges = [one.charge for one in records if one.charge is not None]
    for name in TOKEN_TYPES:
        told = sum(getattr(c.tokens, name) for c in charges if c.tokens is not None)
        assert told == at.total("llm_tokens_total", type=name), name
    usd = sum(c.cost_usd or 0.0 for c in charges)
    assert usd == pytest.approx(at.total("llm_cost_usd_total"))

    totals = totals_of(records)
    assert totals.calls == at.total("llm_requests_total")
    assert totals.steps == at.total("llm_step_duration_seconds_count")
    assert totals.unpriced == at.total("llm_unpriced_requests_total")
    # What a sum over all spans comes to is what counts and what is left out.
    left_out = at.total("llm_exporter_discarded_tokens_total")
    assert totals.written == totals.tokens + left_out
