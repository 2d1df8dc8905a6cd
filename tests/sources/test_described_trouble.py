"""Stores that cannot be run here, where their answers are not what they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from llm_trace_exporter.sources.braintrust import Braintrust as BraintrustSystem
from llm_trace_exporter.sources.datadog import Datadog as DatadogSystem
from llm_trace_exporter.sources.system import System, Walk
from llm_trace_exporter.sources.weave import Weave as WeaveSystem
from tests.facts import Samples
from tests.sources.conftest import Watching
from tests.sources.described import Arize, Braintrust, Datadog, Opik, Weave, described
from tests.sources.standin import Answer, Query, Recorded
from tests.sources.test_described import STORES, begun
from tests.sources.test_recorded_scores import revisions, verdicts

NONE = {"id": 7, "created_at": "yesterday"}
WALK = Walk("shop", 0, 0, 2**62)
TRACE, SPAN = "0123456789abcdef0123456789abcdef", "0123456789abcdef"


def broken_opik() -> Recorded:
    store = Opik(0)

    class Broken(Opik):
        def answer(self, path: str, query: Query, body: Any) -> Answer:
            status, content, headers = super().answer(path, query, body)
            return status, b'{"id": 7}\n' + content, headers

    made = Broken(0)
    made.rows = store.rows
    return made


def broken_braintrust() -> Recorded:
    store = Braintrust(0)
    store.rows.insert(1, {**store.rows[0], "id": 7})
    return store


def broken_weave() -> Recorded:
    store = Weave(0)
    store.rows["feedback"].append({**store.rows["feedback"][0], "id": 7})
    return store


def broken_datadog() -> Recorded:
    store = Datadog(0)
    store.rows.insert(1, {**store.rows[0], "id": 7})
    return store


def broken_arize() -> Recorded:
    store = Arize(0)
    store.rows.insert(1, {**store.rows[0], "context": None})
    return store


BROKEN: dict[str, Callable[[], Recorded]] = {
    "opik": broken_opik,
    "braintrust": broken_braintrust,
    "weave": broken_weave,
    "datadog": broken_datadog,
    "arize": broken_arize,
}


def told(at: Samples) -> tuple[Any, Any]:
    return verdicts(at), revisions(at)


@pytest.mark.parametrize("system", STORES)
def test_a_row_that_is_none_takes_no_other_along(watching: Watching, system: str) -> None:
    whole = begun(watching, system)
    whole.poll()
    source = begun(watching, system)
    source.poll(BROKEN[system]())
    at = source.samples()
    assert told(at) == told(whole.samples())
    assert at.total("llm_exporter_source_unreadable_rows_total") >= 1


@pytest.mark.parametrize("system", STORES)
def test_with_one_that_cannot_be_read_none_is_missed(watching: Watching, system: str) -> None:
    source = begun(watching, system)
    source.poll()
    source.poll(BROKEN[system]())
    assert revisions(source.samples()) == {}


@pytest.mark.parametrize("system", STORES)
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"code": 500, "message": "a text"}'])
def test_what_is_no_answer_deletes_nothing(watching: Watching, system: str, content: bytes) -> None:
    source = begun(watching, system)
    for _ in range(2):
        source.poll()
    before = told(source.samples())
    source.stand_in.trouble = [(200, content, {})]
    source.poll()
    source.poll()
    assert told(source.samples()) == before


def test_a_stream_that_breaks_off_is_read_again(watching: Watching) -> None:
    class Breaking(Opik):
        def answer(self, path: str, query: Query, body: Any) -> Answer:
            status, content, headers = super().answer(path, query, body)
            first = content.split(b"\n")[0]
            return status, first + b'\n{"code": 500, "message": "a text"}\n', headers

    source = begun(watching, "opik")
    assert source.poll(Breaking(0)) < 60
    assert source.poll(Opik(0)) == 60
    whole = begun(watching, "opik")
    whole.poll()
    assert told(source.samples()) == told(whole.samples())


def test_a_search_that_timed_out_is_asked_again(watching: Watching) -> None:
    source = begun(watching, "datadog")
    part = {"data": [], "meta": {"status": "timeout", "page": None}}
    source.stand_in.trouble = [(200, json.dumps(part).encode(), {})]
    assert source.poll() < 60
    assert source.poll() == 60


def test_a_server_that_knows_no_window_is_not_read_to_its_end(watching: Watching) -> None:
    class Former(Opik):
        def answer(self, path: str, query: Query, body: Any) -> Answer:
            whole = {**body, "from_time": "2020-01-01T00:00:00Z"}
            return super().answer(path, query, {**whole, "limit": 2})

    source = begun(watching, "opik", lookback_s=12 * 60.0)
    source.poll(Former(0))
    asked = [path for path, *_ in source.stand_in.asked]
    assert len(asked) == 3
    assert verdicts(source.samples()) == {}


CALLS: dict[str, tuple[System, Any]] = {
    "braintrust": (
        BraintrustSystem(),
        {"data": [row for row in described("braintrust", "t1") if row["span_id"] == SPAN]},
    ),
    "datadog": (
        DatadogSystem(),
        {"data": described("datadog", "t0")[:1]},
    ),
}


@pytest.mark.parametrize("system", CALLS)
def test_ids_of_opentelemetry_are_those_of_calls(system: str) -> None:
    reader, answer = CALLS[system]
    ask = reader.first(WALK)[0]
    page = reader.read(WALK, ask, json.dumps(answer).encode())
    ids = {(one.item.trace_id.hex(), one.item.span_id.hex()) for one in page.scores}
    if system == "datadog":
        assert ids == {("69037382000000000000000000000001", f"{9800000000000000001:016x}")}
    else:
        assert ids == {(TRACE, SPAN)}


def test_a_score_of_weave_has_the_ids_of_its_call() -> None:
    reader = WeaveSystem()
    rows = [row for row in described("weave", "t0")["feedback"] if SPAN in row["weave_ref"]]
    first = reader.read(
        WALK, reader.first(WALK)[0], json.dumps({"result": rows, "total_count": 1}).encode()
    )
    assert not first.scores
    calls = b"\n".join(json.dumps(row).encode() for row in described("weave", "t0")["calls"])
    page = reader.read(WALK, first.asks[0], calls)
    assert [(one.item.trace_id.hex(), one.item.span_id.hex()) for one in page.scores] == [
        (TRACE, SPAN)
    ]
