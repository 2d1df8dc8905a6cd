"""Rows that no store should write: each is told of, and takes no other along."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sources.conftest import Watched, Watching
from tests.sources.made_up import Langfuse, langfuse_score
from tests.sources.standin import Answer, MLflow, Phoenix, Query, Recorded
from tests.sources.test_recorded_scores import revisions, verdicts

DEEP = "[" * 5_000 + "]" * 5_000
UNREAD = [
    ("start_time", '"9999-12-31T23:59:59Z"'),
    ("start_time", '"2262-04-12T00:00:00Z"'),
    ("start_time", '"0001-01-01T00:00:00Z"'),
    ("start_time", "1e999"),
    ("updated_at", '"9999-12-31T23:59:59Z"'),
    ("result", '{"score": 1e999}'),
    ("attributes", '{"gen_ai.usage.input_tokens": 1e999}'),
]
MENDED = [
    ("more", r'"\ud800"'),
    ("more", r'"\udc00 \\ud800 \ud83d\ude00 \ud83d"'),
    ("more", DEEP),
    ("more", "[NaN, -Infinity, Infinity]"),
]


class Spoiled:
    """A store whose every page begins with an odd copy of its first row."""

    def __init__(self, store: Recorded, member: str, key: str, value: str) -> None:
        self.store, self.member, self.key, self.value = store, member, key, value

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        status, content, headers = self.store.answer(path, query, body)
        told = json.loads(content) if status == 200 else {}
        if not told.get(self.member):
            return status, content, headers
        odd = json.dumps({**told[self.member][0], self.key: "ODD"}).replace('"ODD"', self.value)
        rows = ", ".join((odd, *map(json.dumps, told[self.member])))
        rest = {**told, self.member: "ROWS"}
        return 200, json.dumps(rest).replace('"ROWS"', f"[{rows}]").encode(), headers


def unread(source: Watched) -> float:
    return source.samples().total("llm_exporter_source_unreadable_rows_total")


@pytest.mark.parametrize(("key", "value"), [*UNREAD, *MENDED])
def test_phoenix(watching: Watching, key: str, value: str) -> None:
    plain = watching("phoenix", Phoenix(1), mode="calls+scores")
    plain.poll()
    source = watching("phoenix", Spoiled(Phoenix(1), "data", key, value), mode="calls+scores",
                      is_kept=True)  # fmt: skip
    assert source.poll() == source.settings.interval_s
    assert bool(unread(source)) == ((key, value) in UNREAD)
    at, truth = source.samples(), plain.samples()
    assert verdicts(at) == verdicts(truth)
    assert at.total("llm_requests_total") == truth.total("llm_requests_total") > 0
    source.crash()
    assert verdicts(source.samples()) == verdicts(truth)


@pytest.mark.parametrize(
    ("key", "value", "is_read"),
    [
        ("request_time", '"9999-12-31T23:59:59Z"', False),
        ("assessments", '[{"assessment_id": 1e999}]', False),
        ("trace_metadata", '{"mlflow.sourceRun": 1e999}', True),
        ("trace_metadata", r'{"more": "\ud800"}', True),
        ("more", DEEP, True),
        ("spans", '[{"trace_id": "", "span_id": "", "start_time_unix_nano": 1e30}]', False),
        ("spans", f'[{{"trace_id": "", "span_id": "", "start_time_unix_nano": {10**19}}}]', False),
    ],
)
def test_mlflow(watching: Watching, key: str, value: str, is_read: bool) -> None:
    options: Any = {"projects": ("13",), "mode": "calls+scores"}
    plain = watching("mlflow", MLflow(1), **options)
    plain.poll()
    source = watching("mlflow", Spoiled(MLflow(1), "traces", key, value), **options)
    assert source.poll() == source.settings.interval_s
    assert bool(unread(source)) != is_read
    at, truth = source.samples(), plain.samples()
    assert verdicts(at) == verdicts(truth)
    assert at.total("llm_requests_total") == truth.total("llm_requests_total") > 0


@pytest.mark.parametrize(
    ("more", "value"), [("timestamp", '"9999-12-31T23:59:59Z"'), ("value", "1e999")]
)
def test_langfuse(watching: Watching, more: str, value: str) -> None:
    scores = [langfuse_score("grounded", True, "BOOLEAN"), langfuse_score("tone", "fail")]
    source = watching("langfuse", Spoiled(Langfuse(scores), "data", more, value))
    assert source.poll() == source.settings.interval_s
    assert unread(source) == 1
    assert len(verdicts(source.samples())) == 2


def test_what_an_earlier_page_could_not_read_is_not_gone(watching: Watching) -> None:
    scores = [langfuse_score(str(number), True, "BOOLEAN") for number in range(4)]
    source = watching("langfuse", Langfuse(scores))
    source.poll()
    source.poll(Langfuse([{**scores[0], "id": 7}, *scores[1:]]))
    assert unread(source) == 1
    assert revisions(source.samples()) == {}
    source.poll(Langfuse(scores[1:]))
    assert revisions(source.samples()) == {("0", "llm", "pass", "deleted"): 1}
