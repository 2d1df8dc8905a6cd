"""A real Prometheus scrapes a running exporter while real SDKs send to it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.process import Exporter, running, wait_for
from tests.e2e.prometheus import Prometheus, scraping
from tests.e2e.sdk import send_by_python
from tests.e2e.wire import call, failed_call

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not on PATH (`apt-get install prometheus`; `make test` does that)",
)

ZERO_HOLD_S = 2
SECONDS = (0.4, 1.5, 3.0)
"""Durations of the calls that are sent."""
BUCKETS = ("0.5", "2.0", "4.0")
"""The bucket that each of them falls into."""
USD = 0.0055 * len(SECONDS)
"""1200 input tokens (400 of them cached) and 300 output tokens of gpt-4o, three times."""
OK = 'service="shop", outcome="ok"'


@dataclass(frozen=True, slots=True)
class Watched:
    """What the tests look at."""

    exporter: Exporter
    prometheus: Prometheus
    trace_ids: list[str]
    """Of the calls that took SECONDS."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Calls come in after the first scrapes, as they do in life; their values have been scraped."""
    folder = tmp_path_factory.mktemp("prometheus")
    arguments = ("--decision-wait=0s", f"--zero-hold={ZERO_HOLD_S}s")
    with (
        running(folder / "exporter", *arguments) as exporter,
        scraping(exporter.web.removeprefix("http://"), folder / "prometheus") as prometheus,
    ):
        wait_for(lambda: prometheus.value('up{job="llm"}') == 1, "the first scrape")
        usage = {"gen_ai__usage__cache_read__input_tokens": 400}
        calls = [call((1200, 300), seconds=seconds, **usage) for seconds in SECONDS]
        trace_ids = send_by_python(exporter, "grpc", "shop", calls)
        send_by_python(exporter, "http", "shop", [failed_call("brand-new-model", "429")])
        shown = 'sum(llm_requests_total{service="shop"} > 0)'
        wait_for(lambda: prometheus.value(shown) == 4, "values after their zero hold")
        yield Watched(exporter, prometheus, trace_ids)


def test_quantiles(watched: Watched) -> None:
    buckets = f"llm_request_duration_seconds_bucket{{{OK}}}"
    query = f"histogram_quantile(0.95, sum by (le) (rate({buckets}[1m])))"
    # Rank 2.85 of 3 is 0.85 into the bucket from 2 to 4 seconds.
    assert watched.prometheus.value(query) == pytest.approx(2 + 0.85 * 2)


def test_spend(watched: Watched) -> None:
    prometheus = watched.prometheus
    assert prometheus.value("sum(llm_cost_usd_total)") == pytest.approx(USD)
    rate = prometheus.value("sum(rate(llm_cost_usd_total[1m]))")
    assert rate is not None
    # Extrapolated by about one scrape interval at the end.
    assert USD / 60 <= rate * (1 + 1e-9) < 2 * USD / 60
    by_type = prometheus.api("query", query="sum by (type) (llm_cost_usd_total)")["result"]
    assert {s["metric"]["type"]: float(s["value"][1]) for s in by_type} == pytest.approx(
        {"input": 0.006, "cache_read": 0.0015, "output": 0.009}
    )


def test_the_first_error_of_a_new_model_is_seen(watched: Watched) -> None:
    prometheus = watched.prometheus
    error = 'llm_requests_total{model="brand-new-model", error_type="rate_limited"}'
    history = prometheus.history(error)
    assert (history[0], history[-1]) == (0, 1)
    grown = prometheus.value(f"sum(increase({error}[1m]))")
    assert grown is not None
    assert 1 <= grown < 2
    # The first error of a model that only had successes will be seen too: it waits there at 0.
    waiting = prometheus.values('llm_requests_total{model="gpt-4o", outcome="error"}')
    assert waiting
    assert set(waiting) == {0}


def test_exemplars_lead_to_the_traces(watched: Watched) -> None:
    found = watched.prometheus.api(
        "query_exemplars",
        query=f"llm_request_duration_seconds_bucket{{{OK}}}",
        start=time.time() - 3600,
        end=time.time() + 60,
    )
    by_bucket = {series["seriesLabels"]["le"]: series["exemplars"] for series in found}
    assert set(by_bucket) == set(BUCKETS)
    for bucket, seconds, trace_id in zip(BUCKETS, SECONDS, watched.trace_ids, strict=True):
        (exemplar,) = by_bucket[bucket]
        assert exemplar["labels"]["trace_id"] == trace_id
        assert len(bytes.fromhex(exemplar["labels"]["span_id"])) == 8
        assert float(exemplar["value"]) == pytest.approx(seconds)

    cost = watched.prometheus.api(
        "query_exemplars",
        query="llm_request_cost_usd_bucket",
        start=time.time() - 3600,
        end=time.time() + 60,
    )
    assert {e["labels"]["trace_id"] for series in cost for e in series["exemplars"]} == {
        watched.trace_ids[-1]
    }


def test_every_scrape_succeeds(watched: Watched) -> None:
    prometheus = watched.prometheus
    assert prometheus.value('min_over_time(up{job="llm"}[1h])') == 1
    (target,) = prometheus.api("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    own = dict(
        line.rsplit(" ", 1)
        for line in prometheus.own_metrics().splitlines()
        if line.startswith("prometheus_target_scrapes_") and "{" not in line
    )
    assert "prometheus_target_scrapes_exemplar_out_of_order_total" in own
    assert {name: value for name, value in own.items() if float(value)} == {}
    bad = [line for line in prometheus.log.splitlines() if "scrape" in line and "err" in line]
    assert bad == []


def test_the_format_is_openmetrics(watched: Watched) -> None:
    def told(metric: str) -> list[tuple[str, str]]:
        found = watched.prometheus.api("targets/metadata", metric=metric)
        return [(one["type"], one["unit"]) for one in found]

    # Only OpenMetrics has units, and counters without their suffix.
    assert told("llm_requests") == [("counter", "")]
    assert told("llm_cost_usd") == [("counter", "usd")]
    assert told("llm_request_duration_seconds") == [("histogram", "seconds")]
    assert told("llm_requests_total") == []


def test_no_counter_ever_falls(watched: Watched) -> None:
    prometheus = watched.prometheus
    names = prometheus.api("label/__name__/values")
    ends = ("_total", "_bucket", "_count", "_sum")
    counters = [name for name in names if name.startswith("llm_") and name.endswith(ends)]
    assert "llm_request_duration_seconds_bucket" in counters
    fallen = {name: prometheus.value(f"sum(resets({name}[1h]))") for name in counters}
    assert {name: times for name, times in fallen.items() if times} == {}
