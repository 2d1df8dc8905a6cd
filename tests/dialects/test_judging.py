"""What results of judges mean, by label, by threshold, by the judge's name and by configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.dialects import JudgeRules, Judging
from llm_trace_exporter.dialects.verdict_rules import names_fault
from llm_trace_exporter.model import VerdictValue


@pytest.mark.parametrize(
    ("judge", "is_fault"),
    [
        ("hallucination", True),
        ("Hallucination", True),
        ("toxicity_check", True),
        ("Bias", True),
        ("PIILeakage", True),
        ("prompt-injection", True),
        ("no_toxicity", False),
        ("non-toxic", False),
        ("not_biased", False),
        ("harmlessness", False),
        ("relevance", False),
        ("faithfulness", False),
        ("", False),
    ],
)
def test_a_name_tells_whether_less_is_better(judge: str, is_fault: bool) -> None:
    assert names_fault(judge) is is_fault


@pytest.mark.parametrize(
    ("judge", "label", "verdict"),
    [
        ("relevance", "Relevant", "pass"),
        ("relevance", "not_relevant", "fail"),
        ("relevance", "yes", "pass"),
        ("toxicity", "yes", "fail"),
        ("toxicity", "false", "pass"),
        ("toxicity", "non-toxic", "pass"),
        ("toxicity", "toxic", "fail"),
        ("no_toxicity", "true", "pass"),
        ("hallucination", "Hallucinated", "fail"),
        ("hallucination", "errored", "error"),
        ("tone", "formal", "unscored"),
        ("tone", "", "unscored"),
    ],
)
def test_labels(judge: str, label: str, verdict: VerdictValue) -> None:
    assert Judging().verdict(judge, label, None) == verdict


@pytest.mark.parametrize(
    ("score", "higher", "verdict"),
    [
        (0.5, True, "pass"),
        (0.49, True, "fail"),
        (0.5, False, "pass"),
        (0.51, False, "fail"),
        (None, True, "unscored"),
    ],
)
def test_a_threshold_is_the_worst_score_that_passes(
    score: float | None, higher: bool, verdict: VerdictValue
) -> None:
    rules = JudgeRules(pass_threshold=0.5, higher_is_better=higher)
    judging = Judging(by_name={"answer quality": rules})
    assert judging.verdict("Answer_Quality", "", score) == verdict
    assert judging.verdict("another", "", score) == "unscored"


def test_the_judges_word_comes_before_its_score() -> None:
    judging = Judging(by_name={"tone": JudgeRules(pass_threshold=0.5, labels={"formal": "pass"})})
    assert judging.verdict("tone", "pass", 0.1) == "pass"
    assert judging.verdict("tone", "Formal", 0.1) == "pass"
    assert judging.verdict("tone", "casual", 0.1) == "fail"


def test_rules_of_a_name_come_before_those_of_a_dialect() -> None:
    judging = Judging(
        by_name={"style": JudgeRules(kind="human")},
        by_dialect={"trulens": JudgeRules(kind="code", pass_threshold=0.7)},
    )
    assert judging.kind("style", "llm", "trulens") == "human"
    assert judging.kind("other", "llm", "trulens") == "code"
    assert judging.kind("other", "llm", "mlflow") == "llm"
    assert judging.verdict("style", "", 0.7, "trulens") == "pass"
    assert judging.verdict("style", "", 0.69, "trulens") == "fail"


@given(st.text(), st.text(), st.none() | st.floats(allow_nan=False))
def test_anything_has_a_meaning(judge: str, label: str, score: float | None) -> None:
    rules = JudgeRules(pass_threshold=0.0)
    judging = Judging(by_dialect={"semconv": rules})
    assert judging.verdict(judge, label, score, "semconv") in ("pass", "fail", "error", "unscored")
