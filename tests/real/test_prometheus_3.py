"""What Prometheus 3 does otherwise than the Prometheus 2 that the other tests have."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.worlds import address, ask, job, rule_files, settle
from tests.e2e.process import ROOT, Exporter, running, wait_for
from tests.e2e.prometheus import Prometheus, started
from tests.e2e.sdk import send_by_python
from tests.e2e.wire import call, failed_call
from tests.real.otlp_metrics import send_token_usage
from tests.real.servers import PROMETHEUS, PROMETHEUS_3, program

pytestmark = pytest.mark.real

RULES = sorted(path.name for path in (ROOT / "alerts").glob("*.yml"))
SECONDS = (0.4, 1.5, 3.0)
NHCB = {"convert_classic_histograms_to_nhcb": True}
KEPT = {**NHCB, "always_scrape_classic_histograms": True}
QUICK = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "2s"}
BUCKETS = "llm_request_duration_seconds_bucket"


@dataclass(frozen=True, slots=True)
class World:
    """One exporter, and Prometheus 3 as it comes, converting, and converting but keeping."""

    exporter: Exporter
    plain: Prometheus
    converting: Prometheus
    keeping: Prometheus
    trace_ids: list[str]


def _wait_for(server: Prometheus, query: str, value: float) -> None:
    wait_for(lambda: server.value(query) == value, query)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server, folder = program(PROMETHEUS_3), tmp_path_factory.mktemp("prometheus-3")
    config = {"compat": ["semconv"], "traces": {"idle_timeout": "1s"}}
    with ExitStack() as stack:
        exporter = stack.enter_context(
            running(folder / "exporter", "--decision-wait=0s", "--zero-hold=2s", config=config)
        )

        def watching(name: str, **options: Any) -> Prometheus:
            settings = {
                "global": QUICK,
                "scrape_configs": [job("llm", address(exporter), **options)],
                "rule_files": rule_files(folder / f"{name}-rules", *RULES),
            }
            at = folder / name
            features = "exemplar-storage,created-timestamp-zero-ingestion"
            more = ("--web.enable-otlp-receiver",)
            return stack.enter_context(
                started(settings, at / "data", at, *more, features=features, program=server)
            )

        plain, converting, keeping = watching("a"), watching("b", **NHCB), watching("c", **KEPT)
        for one in (plain, converting, keeping):
            _wait_for(one, 'up{job="llm"}', 1)
        calls = [call((1200, 300), seconds=seconds) for seconds in SECONDS]
        trace_ids = send_by_python(exporter, "grpc", "shop", calls)
        send_by_python(exporter, "http", "shop", [failed_call("brand-new-model", "429")])
        shown = 'sum(llm_requests_total{service="shop"} > 0)'
        for one in (plain, converting, keeping):
            _wait_for(one, shown, 4)
            settle(one)
        yield World(exporter, plain, converting, keeping, trace_ids)


def test_its_version_is_that_of_the_module(world: World) -> None:
    assert world.plain.api("status/buildinfo")["version"] == PROMETHEUS


def test_all_rules_load_and_are_healthy(world: World) -> None:
    for one in (world.plain, world.converting, world.keeping):
        rules = [rule for group in one.api("rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 150
        assert [rule["lastError"] for rule in rules if rule["health"] != "ok"] == []


def test_bounds_are_floats_in_both_text_formats(world: World) -> None:
    found = world.plain.api("label/le/values", **{"match[]": BUCKETS})
    assert {"0.5", "1.0", "2.0", "+Inf"} <= set(found)
    assert [bound for bound in found if bound.isdecimal()] == []
    assert world.plain.value(f'sum({BUCKETS}{{outcome="ok", le="2.0"}})') == 2
    assert world.plain.value(f'sum({BUCKETS}{{outcome="ok", le=~"2|2.0"}})') == 2


def test_quantiles(world: World) -> None:
    query = f'histogram_quantile(0.95, sum by (le) (rate({BUCKETS}{{outcome="ok"}}[1m])))'
    for one in (world.plain, world.keeping):
        assert one.value(query) == pytest.approx(2 + 0.85 * 2)


def test_openmetrics_with_utf_8_names_is_spoken(world: World) -> None:
    told = world.plain.api("targets/metadata", metric="llm_cost_usd")
    assert [(one["type"], one["unit"]) for one in told] == [("counter", "usd")]
    (target,) = world.plain.api("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


@pytest.mark.parametrize(
    "protocol",
    ["PrometheusProto", "OpenMetricsText1.0.0", "OpenMetricsText0.0.1", "PrometheusText1.0.0",
     "PrometheusText0.0.4"],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["utf8", "legacy"])
def test_every_protocol_and_escaping_gives_the_same_numbers(
    world: World, tmp_path: Path, protocol: str, scheme: str
) -> None:
    options = {
        "scrape_protocols": [protocol],
        "fallback_scrape_protocol": "PrometheusText0.0.4",
        "metric_name_validation_scheme": scheme,
    }
    settings = {"global": QUICK, "scrape_configs": [job("llm", address(world.exporter), **options)]}
    server = program(PROMETHEUS_3)
    with started(settings, tmp_path / "data", tmp_path / "p", program=server) as prometheus:
        wait_for(lambda: prometheus.value("sum(llm_requests_total)") == 4, "the numbers")
        assert prometheus.value(f'sum({BUCKETS}{{outcome="ok", le="2.0"}})') == 2
        assert prometheus.value("sum(llm_cost_usd_total)") == pytest.approx(
            world.plain.value("sum(llm_cost_usd_total)")
        )


def test_exemplars_lead_to_the_traces(world: World) -> None:
    found = world.plain.api(
        "query_exemplars",
        query=f'{BUCKETS}{{outcome="ok"}}',
        start=time.time() - 3600,
        end=time.time() + 60,
    )
    assert {e["labels"]["trace_id"] for series in found for e in series["exemplars"]} == {
        *world.trace_ids
    }


def test_the_first_count_is_seen_once(world: World) -> None:
    error = 'llm_requests_total{model="brand-new-model", error_type="rate_limited"}'
    assert world.plain.history(error)[0] == 0
    assert world.plain.value(f"sum(resets({error}[1h]))") == 0
    grown = world.plain.value(f"sum(increase({error}[10m]))")
    assert grown is not None and 1 <= grown < 2


def test_converted_histograms_are_a_problem_that_the_doctor_names(world: World) -> None:
    assert world.converting.value(f"count({BUCKETS})") is None
    told = ask(world.converting.base, code=1)
    found = told.one("histograms", "problem", "without their buckets")
    assert "always_scrape_classic_histograms: true" in found["do"]
    for check in ("series", "panels"):
        blind = told.one(check, "problem", "histograms arrive as native ones, without buckets")
        assert "always_scrape_classic_histograms: true" in blind["do"]
    reasons = [found["what"] for found in told.findings if found["check"] in ("series", "panels")]
    # Said of families that did arrive.
    for wrong in ("could be priced", "no trace is complete"):
        assert [text for text in reasons if wrong in text] == []


def test_buckets_beside_converted_histograms_are_well(world: World) -> None:
    kept, plain = (one.value(f"count({BUCKETS})") for one in (world.keeping, world.plain))
    assert kept == plain
    for one in (world.keeping, world.plain):
        told = ask(one.base, code=0)
        assert [found["level"] for found in told.of("histograms")] == ["ok"]
        assert [found["level"] for found in told.of("exemplars")] == ["ok"]


def test_an_applications_own_metrics_stand_beside_ours(world: World) -> None:
    """Prometheus' own OTLP receiver writes the conventions' names, which `compat` has, too."""
    send_token_usage(f"{world.plain.base}/api/v1/otlp", service="shop", tokens=1500)
    name = "gen_ai_client_token_usage_sum"
    jobs = wait_for(
        lambda: (
            len(found := world.plain.api("query", query=f"sum by (job) ({name})")["result"]) == 2
            and found
        ),
        "both",
    )
    by_job = {one["metric"]["job"]: float(one["value"][1]) for one in jobs}
    assert by_job == {"shop": 1500, "llm": 4500}
