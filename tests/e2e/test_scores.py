"""Scores over HTTP to the real process: our format, a web page's, and those of the real SDKs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.process import DEADLINE_S, Exporter, running, wait_for
from tests.e2e.wire import Span, traces
from tests.spans import chat

TRACE, SPAN = bytes.fromhex("0af7651916cd43dd8448eb211c80319c"), bytes.fromhex("b7ad6b7169203331")
WORD = "zq7private"
PAGE = "https://shop.example"
CONFIG: dict[str, Any] = {
    "decision_wait": "0s",
    "zero_hold": "0s",
    "limits": {"evaluation_wait": "0s"},
    "otlp": {"http": {"cors": {"allowed_origins": [PAGE]}}},
}


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    """One that has a call of the shop."""
    state = {"path": str(tmp_path / "state" / "exporter.db")}
    with running(tmp_path, config={**CONFIG, "state": state}) as started:
        call = traces(Span({**chat(), "feature": "refunds"}))
        request = ExportTraceServiceRequest.FromString(call)
        (span,) = request.resource_spans[0].scope_spans[0].spans
        span.trace_id, span.span_id = TRACE, SPAN
        assert started.post(request.SerializeToString()).status_code == 200
        yield started
        for path in (tmp_path / "state").iterdir():
            assert WORD.encode() not in path.read_bytes()
        assert WORD not in started.log
        assert WORD not in started.get("/metrics").text


def post(exporter: Exporter, path: str, document: Any, **headers: str) -> requests.Response:
    """A document as JSON, or text as it is."""
    body = document if isinstance(document, str | bytes) else json.dumps(document)
    told = {"content-type": "application/json", **headers}
    return requests.post(exporter.http + path, data=body, headers=told, timeout=DEADLINE_S)


def verdicts(exporter: Exporter) -> dict[tuple[str, str, str], float]:
    """(judge, verdict, judged model) -> how many."""
    exporter.reload()  # counts what waits
    found = exporter.metrics().matching("llm_judge_verdicts_total")
    return {
        (s.labels["judge"], s.labels["verdict"], s.labels.get("model", "")): s.value
        for s in found
        if s.value
    }


def ratings(exporter: Exporter) -> dict[tuple[str, str, str], float]:
    """(source, rating, rated feature) -> how many."""
    exporter.reload()
    found = exporter.metrics().matching("llm_feedback_total")
    return {
        (s.labels["source"], s.labels["rating"], s.labels.get("feature", "")): s.value
        for s in found
        if s.value
    }


def test_verdicts_one_many_and_again(exporter: Exporter) -> None:
    about = {"trace_id": TRACE.hex(), "span_id": SPAN.hex(), "explanation": WORD, "user_id": WORD}
    one = {"judge": "grounded", "verdict": "fail", "id": "1", **about}
    answer = post(exporter, "/v1/verdicts", one)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
    many = {
        "verdicts": [one, {"judge": "tone", "label": "pass", **about}, {"judge": 7, "reason": WORD}]
    }
    packed = gzip.compress(json.dumps(many).encode())
    answer = post(exporter, "/v1/verdicts", packed, **{"content-encoding": "gzip"})
    assert answer.json()["accepted"] == 2
    assert answer.json()["rejected"][0]["index"] == 2
    lines = "\n".join(json.dumps({"judge": "lines", "score": n, **about}) for n in range(3))
    media = {"content-type": "application/x-ndjson"}
    assert post(exporter, "/v1/verdicts", lines, **media).json()["accepted"] == 3
    edited = {**one, "verdict": "pass"}
    assert post(exporter, "/v1/verdicts", edited).json()["accepted"] == 1
    assert verdicts(exporter) == {
        ("grounded", "fail", "gpt-4o"): 1,
        ("tone", "pass", "gpt-4o"): 1,
        ("lines", "unscored", "gpt-4o"): 3,
    }
    at = exporter.metrics()
    assert at.total("llm_exporter_discarded_total", reason="duplicate") == 2
    assert at.total("llm_exporter_log_records_received_total", source="scores") == 7


BAD: list[tuple[str, Any, int]] = [
    ("/v1/verdicts", f"{{{WORD}", 400),
    ("/v1/verdicts", [], 200),
    ("/v1/verdicts", [{"judge": WORD}], 400),
    ("/v1/verdicts", 5, 400),
    ("/v1/feedback", {"rating": WORD}, 400),
    ("/api/public/ingestion", {"batch": 3}, 400),
    ("/feedback", {"score": 1}, 400),
    ("/v1/verdicts", "[" * 100_000, 400),
    ("/v1/verdicts", '{"judge": "j", "score": [NaN]}', 400),
    ("/v1/verdicts", "{}\n" * 1_400_000, 400),
    ("/v1/verdicts", "[" + "{}," * 1_400_000 + "{}]", 400),
    ("/v1/verdicts", '{"judge": "j", "score": 1}\n' * 10_001, 400),
    ("/v1/verdicts", {"judge": "j", "score": 1, "time": "9999-12-31T00:00:00Z"}, 400),
    ("/v1/verdicts", [{"judge": "j", "score": 1}] * 10_001, 400),
    ("/feedback", [], 200),
]


def test_what_cannot_be_used_moves_no_number(exporter: Exporter) -> None:
    for path, document, status in BAD:
        answer = post(exporter, path, document)
        assert answer.status_code == status, (path, str(document)[:80])
        assert WORD not in answer.text
    assert verdicts(exporter) == {}
    assert ratings(exporter) == {}
    rejected = exporter.metrics().total("llm_exporter_requests_rejected_total", reason="malformed")
    assert rejected == sum(status == 400 for _, _, status in BAD)


def test_one_bad_line_or_item_is_rejected_alone(exporter: Exporter) -> None:
    about = {"trace_id": TRACE.hex(), "span_id": SPAN.hex()}
    good = [json.dumps({"judge": "lines", "label": label, **about}) for label in ("pass", "fail")]
    lines = "\n".join([good[0], "{" + WORD, "7", "", good[1]])
    answer = post(exporter, "/v1/verdicts", lines, **{"content-type": "application/x-ndjson"})
    assert answer.json() == {
        "accepted": 2,
        "rejected": [
            {"index": 1, "error": "not valid JSON"},
            {"index": 2, "error": "found a number, allowed: an object"},
        ],
    }
    answer = post(exporter, "/api/public/scores", [None, {"name": "items", "value": "pass"}, [1]])
    assert answer.status_code == 207
    assert [one["index"] for one in answer.json()["errors"]] == [0, 2]
    assert verdicts(exporter) == {
        ("lines", "pass", "gpt-4o"): 1,
        ("lines", "fail", "gpt-4o"): 1,
        ("items", "pass", ""): 1,
    }


def test_five_ratings_with_ids_of_their_own_are_five(exporter: Exporter) -> None:
    thumb = {"rating": "thumbs_up", "trace_id": TRACE.hex()}
    for _ in range(2):
        for number in range(5):
            post(exporter, "/v1/feedback", {**thumb, "id": f"click {number}"})
    assert ratings(exporter) == {("user_feedback", "positive", "refunds"): 5}
    scores = [
        {"name": "grounded", "value": 1, "dataType": "BOOLEAN", "id": f"s{number}",
         "traceId": TRACE.hex(), "observationId": SPAN.hex()}
        for number in range(3)
    ]  # fmt: skip
    post(exporter, "/api/public/scores", scores)
    post(exporter, "/api/public/scores", scores)
    assert verdicts(exporter) == {("grounded", "pass", "gpt-4o"): 3}


def test_scores_that_are_no_numbers(exporter: Exporter) -> None:
    about = f'"trace_id": "{TRACE.hex()}", "span_id": "{SPAN.hex()}"'
    told = {"nan": "NaN", "infinite": "-Infinity", "toxicity": "true", "share": '"85%"',
            "text": '"0.5"', "word": '"good"'}  # fmt: skip
    items = ",".join(f'{{"judge": "{j}", "score": {s}, {about}}}' for j, s in told.items())
    assert post(exporter, "/v1/verdicts", f"[{items}]").json()["accepted"] == len(told)
    assert {judge: verdict for judge, verdict, _ in verdicts(exporter)} == {
        "nan": "error", "infinite": "error", "toxicity": "fail", "share": "unscored",
        "text": "unscored", "word": "pass",
    }  # fmt: skip
    at = exporter.metrics()
    assert at.by("llm_judge_score_sum", "judge") == {"toxicity": 1, "share": 0.85, "text": 0.5}


def test_a_web_page_can_send_a_thumb(exporter: Exporter) -> None:
    asks = {"origin": PAGE, "access-control-request-method": "POST",
            "access-control-request-headers": "content-type"}  # fmt: skip
    url = exporter.http + "/v1/feedback"
    preflight = requests.options(url, headers=asks, timeout=DEADLINE_S)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    thumb = {"rating": "thumbs_down", "trace_id": TRACE.hex(), "comment": WORD}
    answer = post(exporter, "/v1/feedback", thumb, origin=PAGE)
    assert answer.headers["access-control-allow-origin"] == PAGE
    beacon = {"content-type": "text/plain;charset=UTF-8"}
    up = json.dumps({"stars": 5, "source": "stars", "trace_id": TRACE.hex()})
    assert post(exporter, "/v1/feedback", up, origin=PAGE, **beacon).status_code == 200
    assert ratings(exporter) == {
        ("user_feedback", "negative", "refunds"): 1,
        ("stars", "positive", "refunds"): 1,
    }
    elsewhere = {"origin": "https://evil.example"}
    for unasked in (beacon, {"content-type": ""}):
        assert post(exporter, "/v1/feedback", up, **elsewhere, **unasked).status_code == 415
    refused = requests.options(url, headers={**asks, **elsewhere}, timeout=DEADLINE_S)
    assert refused.status_code == 400


def test_half_a_character_breaks_nothing(exporter: Exporter) -> None:
    half = {"judge": "tone\ud83d", "id": "\ud83d", "label": "pass", "comment": WORD + "\ud83d"}
    answer = post(exporter, "/v1/verdicts", {**half, "trace_id": TRACE.hex()})
    assert answer.json() == {"accepted": 1, "rejected": []}
    assert verdicts(exporter) == {("tone\ufffd", "pass", "gpt-4o"): 1}


def test_langfuse_sends_its_scores(exporter: Exporter) -> None:
    langfuse = pytest.importorskip("langfuse")
    client = langfuse.Langfuse(
        public_key="pk-lf-1", secret_key="sk-lf-1", host=exporter.http, tracing_enabled=True
    )
    about = {"trace_id": TRACE.hex(), "observation_id": SPAN.hex(), "comment": WORD}
    client.create_score(name="grounded", value=1, data_type="BOOLEAN", **about)
    client.create_score(name="tone", value="fail", data_type="CATEGORICAL", **about)
    client.create_score(name="user-feedback", value=1, data_type="NUMERIC", trace_id=TRACE.hex())
    client.flush()
    wait_for(lambda: verdicts(exporter), "scores")
    assert verdicts(exporter) == {
        ("grounded", "pass", "gpt-4o"): 1,
        ("tone", "fail", "gpt-4o"): 1,
    }
    assert ratings(exporter) == {("user-feedback", "positive", "refunds"): 1}
    client.shutdown()


def test_langsmith_sends_its_feedback(exporter: Exporter) -> None:
    langsmith = pytest.importorskip("langsmith")
    client = langsmith.Client(api_url=exporter.http, api_key="ls-key", auto_batch_tracing=False)
    run = f"{SPAN.hex()[:8]}-{SPAN.hex()[8:12]}-{SPAN.hex()[12:]}-8000-000000000001"
    trace = TRACE.hex()
    trace = f"{trace[:8]}-{trace[8:12]}-{trace[12:16]}-{trace[16:20]}-{trace[20:]}"
    about = {"run_id": run, "trace_id": trace, "session_id": trace}
    client.create_feedback(**about, key="user-score", score=0, comment=WORD)
    client.create_feedback(**about, key="grounded", value="pass")
    assert ratings(exporter) == {("user-score", "negative", "refunds"): 1}
    assert verdicts(exporter) == {("grounded", "pass", "gpt-4o"): 1}


def test_batches_of_older_langfuse_sdks(exporter: Exporter) -> None:
    body = {"name": "grounded", "value": 0, "dataType": "BOOLEAN", "traceId": TRACE.hex()}
    batch = [
        {"id": "a", "type": "score-create", "body": body},
        {"id": "b", "type": "trace-create", "body": {"input": WORD}},
        {"id": "c", "type": "score-create", "body": {"value": WORD}},
    ]
    answer = post(exporter, "/api/public/ingestion", {"batch": batch, "metadata": {}})
    assert answer.status_code == 207
    told = answer.json()
    assert [one["id"] for one in told["successes"]] == ["a", "b"]
    assert [(one["id"], one["status"]) for one in told["errors"]] == [("c", 400)]
    assert verdicts(exporter) == {("grounded", "fail", "gpt-4o"): 1}
