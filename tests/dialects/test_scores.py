"""A score is one judge's word: whatever it is, the call on the same span counts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.config import Settings
from llm_trace_exporter.dialects import Context, JudgeRules, Judging
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.model import LlmCall, Verdict
from tests.facts import Samples
from tests.spans import chat, event, raw_span, read_span

JUDGING = Judging(
    by_name={
        "grade": JudgeRules(score_range=(1, 5), pass_threshold=3),
        "share": JudgeRules(score_range=(0, 100), pass_threshold=80),
        "unknown range": JudgeRules(pass_threshold=0.5),
    }
)
NAN = math.nan


def told(judge: str, score: Any, label: str = "") -> dict[str, Any]:
    """The attributes of one result."""
    return {
        "gen_ai.evaluation.name": judge,
        "gen_ai.evaluation.score.value": score,
        "gen_ai.evaluation.score.label": label,
    }


def verdicts(*results: dict[str, Any]) -> list[tuple[str, float | None]]:
    """(verdict, score) of results that are events on a call, whose tokens count."""
    events = tuple(event("gen_ai.evaluation.result", **_named(r)) for r in results)
    reading = read_span(raw_span(chat((10, 5)), events=events), Context(judging=JUDGING))
    (call,) = [r for r in reading.records if isinstance(r, LlmCall)]
    assert call.tokens is not None
    assert call.tokens.total == 15
    return [(r.verdict, r.score) for r in reading.records if isinstance(r, Verdict)]


def _named(attrs: dict[str, Any]) -> dict[str, Any]:
    return {name.replace(".", "__"): value for name, value in attrs.items()}


@pytest.mark.parametrize(
    ("result", "verdict", "score"),
    [
        # What a judge of unknown range says.
        (told("tone", 0.4), "unscored", 0.4),
        (told("tone", "0.4"), "unscored", 0.4),
        (told("tone", "85%"), "unscored", 0.85),
        (told("tone", "85.5 %", "good"), "pass", 0.855),
        (told("tone", True), "pass", 1.0),
        (told("tone", False), "fail", 0.0),
        (told("toxicity", True), "fail", 1.0),
        (told("tone", "Good"), "pass", None),
        (told("tone", "formal"), "unscored", None),
        (told("tone", None), "unscored", None),
        (told("tone", ""), "unscored", None),
        (told("unknown range", "50%"), "pass", 0.5),
        (told("unknown range", "49%"), "fail", 0.49),
        # What is no score at all: the label decides, without one the judge broke.
        (told("tone", NAN), "error", None),
        (told("tone", -math.inf), "error", None),
        (told("tone", "NaN"), "error", None),
        (told("tone", 10**400), "error", None),
        (told("tone", [0.5]), "error", None),
        (told("tone", NAN, "good"), "pass", None),
        (told("tone", math.inf, "formal"), "unscored", None),
        # Outside of the range that the judge is known to have.
        (told("grade", 5), "pass", 5.0),
        (told("grade", 0.85), "error", None),
        (told("grade", 6, "good"), "pass", None),
        (told("grade", "50%"), "pass", 3.0),
        (told("grade", "120%"), "error", None),
        (told("grade", True), "pass", 5.0),
        (told("share", "85%"), "pass", 85.0),
        (told("share", 85), "pass", 85.0),
        (told("share", 0.5), "fail", 0.5),
        (told("share", -1), "error", None),
    ],
)  # fmt: skip
def test_what_a_score_means(result: dict[str, Any], verdict: str, score: float | None) -> None:
    assert verdicts(result) == [(verdict, pytest.approx(score) if score is not None else None)]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


@given(score=VALUES, judge=st.sampled_from(["tone", "toxicity", "grade", "share"]))
def test_no_score_rejects_a_call(score: Any, judge: str) -> None:
    filed = {
        "evaluations.0.evaluation.name": judge,
        "evaluations.0.evaluation.score": score,
    }
    reading = read_span(raw_span({**chat((10, 5)), **filed}), Context(judging=JUDGING))
    assert [r.tokens.total for r in reading.records if isinstance(r, LlmCall) and r.tokens] == [15]
    ((_, number),) = verdicts(told(judge, score))
    assert number is None or math.isfinite(number)
    if judge == "grade":
        assert number is None or 1 <= number <= 5


def counted(*results: dict[str, Any], **filed: Any) -> Samples:
    """The metrics of one call with results on it."""
    events = tuple(event("gen_ai.evaluation.result", **_named(r)) for r in results)
    engine = Engine(Settings(zero_hold_s=0))
    engine.ingester.ingest_records(
        [raw_span({**chat((10, 5)), **filed}, events=events)], [], "file"
    )
    engine.ingester.settle_all()
    return Samples(engine.exposition.render("", []).body.decode())


def test_two_equal_events_on_one_span_are_one() -> None:
    at = counted(told("tone", 0.5), told("tone", 0.5), told("tone", 0.6))
    assert at.total("llm_judge_verdicts_total") == 2
    assert at.total("llm_judge_score_sum") == 1.1
    assert at.total("llm_exporter_discarded_total", reason="duplicate") == 1
    assert at.total("llm_tokens_total") == 15


@pytest.mark.parametrize("key", ["document.id", "document.index", "gen_ai.evaluation.id"])
def test_equal_results_about_different_documents_are_several(key: str) -> None:
    one, two = ({**told("relevance", 0.5), key: value} for value in ("secret-1", "secret-2"))
    at = counted(one, two, one)
    assert at.total("llm_judge_verdicts_total") == 2
    assert at.total("llm_exporter_discarded_total", reason="duplicate") == 1


def test_numbered_results_are_as_many_as_there_are() -> None:
    filed = {
        f"evaluations.{n}.evaluation.{member}": value
        for n in range(3)
        for member, value in (("name", "relevance"), ("score", 1.0), ("label", "relevant"))
    }
    assert counted(**filed).total("llm_judge_verdicts_total") == 3
