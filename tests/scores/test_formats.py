"""Scores in each format: what they mean, what is refused, and that nothing else comes through."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.dialects import Context
from llm_trace_exporter.model import Feedback, Verdict
from llm_trace_exporter.receivers.scores import InvalidItem, ScoreItem, read_feedback, read_verdicts
from llm_trace_exporter.receivers.scores.vendors import (
    read_langfuse,
    read_langfuse_event,
    read_langsmith,
)
from llm_trace_exporter.score_items import (
    span_id_of,
    time_ns_of,
    to_record,
    trace_id_of,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CANARY = "the customer said"


def record(told: ScoreItem, dialect: str = "api", **context: Any) -> Verdict | Feedback | None:
    """The record that comes of an item."""
    reading = to_record(told, dialect, "", Context(**context), 7, b"{}")
    found = reading.records[0] if reading else None
    assert found is None or isinstance(found, Verdict | Feedback)
    return found


def test_a_verdict_in_so_many_words() -> None:
    item = {
        "judge": "grounded", "kind": "code", "verdict": "fail", "score": 0.2, "trace_id": TRACE,
        "span_id": SPAN, "time": "2026-11-21T10:00:00Z", "service": "shop", "model": "gpt-4o",
        "dimensions": {"feature": "refunds"}, "explanation": CANARY, "user_id": CANARY,
    }  # fmt: skip
    verdict = record(read_verdicts(item))
    assert isinstance(verdict, Verdict)
    assert (verdict.judge, verdict.kind, verdict.verdict) == ("grounded", "code", "fail")
    assert (verdict.score, verdict.model, verdict.time_ns) == (0.2, "gpt-4o", 1795255200 * 10**9)
    origin = verdict.origin
    assert (origin.trace_id.hex(), origin.span_id.hex()) == (TRACE, SPAN)
    assert (origin.service, origin.dimensions) == ("shop", ("refunds", "", "", ""))
    assert CANARY not in repr(verdict)


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({"label": "Relevant"}, "pass"),
        ({"label": "hallucinated"}, "fail"),
        ({"score": 0.4}, "unscored"),
        ({"verdict": "error"}, "error"),
        ({"verdict": "pass", "label": "irrelevant"}, "pass"),
    ],
)
def test_labels_and_scores_mean_what_they_mean_elsewhere(
    told: dict[str, Any], verdict: str
) -> None:
    found = record(read_verdicts({"judge": "j", **told}))
    assert isinstance(found, Verdict)
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("told", "rating"),
    [
        ({"rating": "thumbs_up"}, "positive"),
        ({"rating": "negative"}, "negative"),
        ({"rating": True}, "positive"),
        ({"rating": False}, "negative"),
        ({"rating": 1}, "positive"),
        ({"rating": 0}, "neutral"),
        ({"rating": -1}, "negative"),
        *(({"stars": s}, r) for s, r in zip((1, 2, 3, 4, 5), ("negative", "negative", "neutral",
                                                            "positive", "positive"), strict=True)),
    ],
)  # fmt: skip
def test_ratings(told: dict[str, Any], rating: str) -> None:
    found = record(read_feedback({"trace_id": TRACE, **told}))
    assert isinstance(found, Feedback)
    assert (found.rating, found.source) == (rating, "user_feedback")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({}, "allowed: an object with judge"),
        ({"judge": "j"}, "at least one of verdict, label and score"),
        ({"judge": "", "score": 1}, "judge: allowed: a text of 1 to 256 characters"),
        ({"judge": "j", "verdict": "maybe"}, "verdict: allowed: pass, fail, error or unscored"),
        ({"judge": "j", "score": [0.5]}, "score: allowed: a number, a percentage, true"),
        ({"judge": "j", "score": 1, "trace_id": "abc"}, "trace_id: allowed: 32 hexadecimal"),
        (
            {"judge": "j", "score": 1, "trace_id": "0" * 32},
            "trace_id: allowed: .*not all of them 0",
        ),
        ({"judge": "j", "score": 1, "time": "9999-12-31T00:00:00Z"}, "time: allowed"),
        ({"judge": "j", "lable": "x"}, "an unknown member; allowed: comment,"),
        ({"judge": "j", "score": 1, "time": "yesterday"}, "time: allowed"),
        ({"judge": "j", "score": 1, "time": "2026-11-21T10:00:00"}, "time with its zone"),
        ({"judge": "j", "score": 1, "service": "x" * 300}, "service: allowed: a text of at most"),
    ],
)
def test_what_is_no_verdict_is_told_where_and_what_is_allowed(
    item: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidItem, match=said) as caught:
        read_verdicts(item)
    assert "yesterday" not in str(caught.value)


@pytest.mark.parametrize("item", [{}, {"rating": "meh"}, {"stars": 6}, {"rating": 1, "stars": 1}])
def test_what_is_no_rating(item: dict[str, Any]) -> None:
    with pytest.raises(InvalidItem):
        read_feedback(item)


def test_what_a_token_fixes_comes_first() -> None:
    fixed = {"service": "mine", "environment": "prod", "team": "search"}
    item = {"judge": "j", "score": 1, "service": "yours", "dimensions": {"team": "sales"}}
    found = record(read_verdicts(item), fixed=fixed)
    assert found is not None
    assert (found.origin.service, found.origin.environment) == ("mine", "prod")
    assert found.origin.dimensions[1] == "search"


def test_an_item_is_known_by_its_id_else_by_its_content() -> None:
    def mark(told: ScoreItem, tenant: str = "", raw: bytes = b"a") -> bytes:
        reading = to_record(told, "api", tenant, Context(), 7, raw)
        assert reading is not None
        return reading.fingerprint

    once = read_verdicts({"judge": "j", "id": "1", "verdict": "pass"})
    edited = read_verdicts({"judge": "j", "id": "1", "verdict": "fail"})
    without = read_verdicts({"judge": "j", "verdict": "pass"})
    assert mark(once) == mark(edited, raw=b"b")
    assert mark(once) != mark(once, tenant="another")
    assert mark(without) == mark(without)
    assert mark(without) != mark(without, raw=b"b")
    assert mark(once) != mark(read_feedback({"rating": True, "id": "1"}))


@pytest.mark.parametrize(
    ("item", "name", "outcome"),
    [
        ({"name": "helpfulness", "value": 0.9, "dataType": "NUMERIC"}, "helpfulness", "unscored"),
        ({"name": "hallucination", "value": 1.0, "dataType": "BOOLEAN"}, "hallucination", "fail"),
        ({"name": "grounded", "value": 1.0, "dataType": "BOOLEAN"}, "grounded", "pass"),
        ({"name": "verdict", "value": "fail", "dataType": "CATEGORICAL"}, "verdict", "fail"),
        ({"name": "user-feedback", "value": -1.0}, "user-feedback", "negative"),
        ({"name": "user_rating", "value": 3}, "user_rating", "neutral"),
        ({"name": "thumbs", "value": 1}, "thumbs", "positive"),
    ],
)
def test_langfuse(item: dict[str, Any], name: str, outcome: str) -> None:
    ids = {"traceId": TRACE, "observationId": SPAN, "id": "x", "comment": CANARY}
    found = record(read_langfuse({**ids, **item}), "langfuse")
    assert found is not None
    assert (found.origin.trace_id.hex(), found.origin.span_id.hex()) == (TRACE, SPAN)
    if isinstance(found, Verdict):
        assert (found.judge, found.verdict) == (name, outcome)
    else:
        assert (found.source, found.rating) == (name, outcome)


def test_langfuse_events_of_other_things_are_let_pass() -> None:
    assert read_langfuse_event({"type": "trace-create", "body": {}}) is None
    told = read_langfuse_event({"type": "score-create", "body": {"name": "n", "value": 1}})
    assert told is not None
    with pytest.raises(InvalidItem):
        read_langfuse_event({"type": "score-create", "body": [1]})


def test_langsmith_ids_are_those_of_its_opentelemetry_export() -> None:
    trace, run = "0af76519-16cd-43dd-8448-eb211c80319c", "b7ad6b71-6920-3331-0000-000000000001"
    item = {"key": "user-score", "score": 0, "trace_id": trace, "run_id": run, "comment": CANARY}
    found = record(read_langsmith(item), "langsmith")
    assert isinstance(found, Feedback)
    assert (found.origin.trace_id.hex(), found.origin.span_id.hex()) == (TRACE, SPAN)
    assert found.rating == "negative"
    root = read_langsmith({"key": "correct", "score": True, "run_id": trace})
    assert root.trace_id.hex() == TRACE
    verdict = record(root, "langsmith")
    assert isinstance(verdict, Verdict)
    assert (verdict.verdict, verdict.score) == ("pass", 1.0)


def test_ids_of_nothing_but_zeros_name_nothing() -> None:
    assert trace_id_of("0" * 32) == b""
    assert span_id_of("0" * 16) == b""


@given(st.text() | st.floats() | st.integers() | st.none() | st.booleans())
def test_ids_and_times_of_any_kind(value: Any) -> None:
    assert len(trace_id_of(value)) in (0, 16)
    assert len(span_id_of(value)) in (0, 8)
    with suppress(InvalidItem):
        assert time_ns_of(value) >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
KEYS = (
    *("judge", "kind", "verdict", "label", "score", "trace_id", "span_id", "time", "rating"),
    *("stars", "source", "id", "dimensions", "name", "value", "dataType", "traceId", "key"),
    *("run_id", "feedback_source", "observationId", "timestamp", "type", "body", "created_at"),
)


@pytest.mark.dear
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), JSON, max_size=6))
def test_nothing_that_is_sent_breaks_it(item: dict[str, Any]) -> None:
    for read in (read_verdicts, read_feedback, read_langfuse, read_langfuse_event, read_langsmith):
        try:
            told = read(item)
        except InvalidItem:
            continue
        if told is not None:
            to_record(told, "api", "", Context(), 7, json.dumps(item).encode())
