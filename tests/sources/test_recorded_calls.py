"""Calls of real stores, recorded: models, tokens and failures are what truly happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from llm_trace_exporter.otlp.records import RawSpan, Resource, Scope
from tests.facts import Samples
from tests.sources.conftest import Watched, Watching
from tests.sources.standin import MLflow, Phoenix, loaded
from tests.sources.test_recorded_scores import EXPECTED, STORES, verdicts

TYPES = ("input", "cache_read", "output", "reasoning")


def truth(system: str) -> Counter[tuple[str, str]]:
    """(model, what) -> how much."""
    told: Counter[tuple[str, str]] = Counter()
    for call in loaded(system, "expected")["calls"]:
        reasoning = call.get("reasoning_in_output", 0)
        model = call["model"]
        told[model, "error" if call["error"] else "ok"] += 1
        told[model, "input"] += call["input_tokens"] - call["cached_in_input"]
        told[model, "cache_read"] += call["cached_in_input"]
        told[model, "output"] += call["output_tokens"] - reasoning
        told[model, "reasoning"] += reasoning
    return +told


def counted(at: Samples) -> Counter[tuple[str, str]]:
    """The same, in the metrics."""
    told: Counter[tuple[str, str]] = Counter()
    for sample in at.matching("llm_requests_total"):
        told[sample.labels["model"], sample.labels["outcome"]] += int(sample.value)
    for kind in TYPES:
        for sample in at.matching("llm_tokens_total", type=kind):
            told[sample.labels["model"], kind] += int(sample.value)
    return +told


def watched(watching: Watching, system: str, **options: Any) -> Watched:
    store, _, project = STORES[system]
    return watching(system, store(0), projects=(project,), mode="calls+scores", **options)


@pytest.mark.parametrize("system", EXPECTED)
@pytest.mark.parametrize("crashes", [False, True])
def test_calls_count_once(watching: Watching, system: str, crashes: bool) -> None:
    store, last, _ = STORES[system]
    source = watched(watching, system, is_kept=crashes)
    for time in [0, *range(last), last - 1]:
        source.poll(store(time))
        if crashes:
            source.crash()
    at = source.samples()
    assert counted(at) == truth(system)
    assert verdicts(at) == EXPECTED[system]
    assert {s.labels["cost_source"] for s in at.matching("llm_cost_usd_total")} == {"list"}


def test_a_late_span_is_found_by_the_order_in_which_rows_came(watching: Watching) -> None:
    source = watched(watching, "phoenix")
    source.poll(Phoenix(2))
    before = counted(source.samples())
    source.poll(Phoenix(3), is_slow=False)
    after = counted(source.samples())
    assert after - before == {("gpt-4o-mini", "ok"): 1, ("gpt-4o-mini", "input"): 77,
                              ("gpt-4o-mini", "output"): 7}  # fmt: skip


def test_what_was_sent_as_well_counts_once(
    watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    source = watched(watching, "mlflow")
    call = loaded("mlflow", "expected")["calls"][0]
    source.engine.ingester.ingest_records([_sent(call)], [], "otlp_http")
    source.engine.ingester.settle_all()
    # Long after the trace table has forgotten it.
    source.now_s += 7200
    for _ in range(2):
        source.poll(MLflow(0))
    at = source.samples()
    assert counted(at) == truth("mlflow")
    assert at.total("llm_exporter_source_overlap_total") == 1
    assert caplog.text.count("its calls are sent as well") == 1


def test_a_store_that_was_emptied_begins_its_rows_anew(watching: Watching) -> None:
    source = watched(watching, "phoenix")
    source.poll(Phoenix(2))
    empty = Phoenix(2)
    empty.spans = []
    source.poll(empty)
    anew = Phoenix(3)
    anew.spans = anew.spans[-1:]
    anew.spans[0]["id"] = "U3BhbjoxCg=="
    source.poll(anew)
    assert source.samples().total("llm_requests_total") == 10


def _sent(call: Mapping[str, Any]) -> RawSpan:
    start_ns = 1795815861027143168
    attrs: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": call["model"],
        "gen_ai.usage.input_tokens": call["input_tokens"],
        "gen_ai.usage.output_tokens": call["output_tokens"],
    }
    return RawSpan(
        bytes.fromhex(call["trace_id"].removeprefix("tr-")),
        bytes.fromhex(call["span_id"]),
        b"",
        "chat",
        3,
        start_ns,
        start_ns + 2_000_000_000,
        1,
        "",
        "",
        attrs,
        (),
        Resource({"service.name": "shop-bot"}),
        Scope("test"),
    )
