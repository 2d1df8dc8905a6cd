"""Every carrier of results in the corpus: the right verdict with the labels of what was judged."""

from __future__ import annotations

import pytest

from llm_trace_exporter.config import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.otlp.files import iter_requests
from tests.facts import Samples
from tests.test_corpus import CORPUS

MODEL = "gpt-4o-mini"
OUTCOMES: dict[str, set[tuple[str, str, str]]] = {
    "openinference-evals": {
        ("relevance", "fail", MODEL),
        ("toxicity", "pass", MODEL),
        ("goal_reached", "pass", MODEL),
    },
    "logfire-pydantic-ai": {
        ("Short", "fail", MODEL),
        ("relevance", "unscored", MODEL),
        ("tone", "unscored", MODEL),
    },
    "opensearch-genai": {
        ("relevance", "pass", MODEL),
        ("faithfulness", "fail", MODEL),
        ("toxicity", "pass", MODEL),
        ("helpfulness", "unscored", MODEL),
        ("correctness", "pass", MODEL),
        # Scored on its own: it names nothing.
        ("length", "unscored", ""),
    },
    "splunk-genai-evals": {
        ("relevance", "pass", MODEL),
        ("bias", "pass", MODEL),
        ("hallucination", "fail", MODEL),
        ("toxicity", "error", MODEL),
    },
    "traceloop-guardrails": {
        ("no_pii", "pass", MODEL),
        ("no_toxicity", "fail", MODEL),
        ("broken", "error", MODEL),
    },
}
"""Capture -> (judge, verdict, judged model)."""


def replayed(capture: str, *, is_last_first: bool) -> Samples:
    """The metrics of a capture, its requests in one order or the other."""
    engine = Engine(Settings(zero_hold_s=0))
    requests = list(iter_requests(CORPUS / capture, lambda _: None))
    for request in requests[::-1] if is_last_first else requests:
        engine.ingester.ingest_request(request.signal, request.encoding, request.body, "otlp_http")
    engine.ingester.settle_all()
    return Samples(engine.exposition.render("", []).body.decode())


@pytest.mark.parametrize("is_last_first", [False, True])
@pytest.mark.parametrize("capture", OUTCOMES)
def test_results_have_the_labels_of_what_was_judged(capture: str, is_last_first: bool) -> None:
    at = replayed(capture, is_last_first=is_last_first)
    told = [s.labels for s in at.matching("llm_judge_verdicts_total") if s.value]
    assert {(s["judge"], s["verdict"], s.get("model", "")) for s in told} == OUTCOMES[capture]
    assert {s["service"] for s in told} == {"shop-assistant"}


def test_feedback_has_the_labels_of_what_was_rated() -> None:
    at = replayed("openinference-evals", is_last_first=False)
    (rating,) = [s.labels for s in at.matching("llm_feedback_total") if s.value]
    assert (rating["rating"], rating["source"], rating["model"]) == (
        "negative",
        "user_feedback",
        MODEL,
    )


def test_the_same_result_again_is_one_and_another_result_is_another() -> None:
    """Whoever asks a judge twice has two results; whoever sends one twice has one."""
    engine = Engine(Settings(zero_hold_s=0))
    for _ in range(2):
        for request in iter_requests(CORPUS / "splunk-genai-evals", lambda _: None):
            engine.ingester.ingest_request(
                request.signal, request.encoding, request.body, "otlp_http"
            )
    engine.ingester.settle_all()
    at = Samples(engine.exposition.render("", []).body.decode())
    assert at.total("llm_judge_verdicts_total") == 4
    assert at.total("llm_exporter_discarded_total", reason="duplicate") > 0
