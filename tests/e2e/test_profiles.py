"""What OpenLIT's public Grafana dashboard asks Prometheus has an answer.

The queries have the shapes of the panels' in OpenLIT's documentation (`docs/snippets/destinations/
victoriametrics-stack` of its repository): the same metrics, filters, groupings and functions.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import requests

from tests.e2e.process import DEADLINE_S, running, wait_for
from tests.e2e.prometheus import Prometheus, scraping
from tests.e2e.wire import call, failed_call, traces

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not on PATH (`apt-get install prometheus`; `make test` does that)",
)

WHO = 'service_name=~"shop", deployment_environment=~"prod"'
MARKED = f'telemetry_sdk_name="openlit", {WHO}'
DURATION = "gen_ai_client_operation_duration_seconds"
TOKENS = "gen_ai_client_token_usage"
COST = "gen_ai_usage_cost_USD"
FIRST_TOKEN = "gen_ai_server_time_to_first_token_seconds"
CALLS, FAILED, USD = 3, 1, 0.0055

GROUPS = (
    "gen_ai_operation_name",
    "gen_ai_provider_name",
    "gen_ai_request_model",
    "deployment_environment",
)
QUANTILES = [
    f"histogram_quantile(0.95, sum by (le, {label}) (rate({name}_bucket{{{MARKED}}}[1m])))"
    for name in (DURATION, FIRST_TOKEN)
    for label in ("gen_ai_provider_name", "gen_ai_request_model")
]
LATEST = [
    f"topk(5, sum by ({label}) (last_over_time({name}{{{MARKED}}}[1m])))"
    for name in (f"{DURATION}_count", f"{COST}_sum")
    for label in GROUPS
]
AVERAGES = [
    f'avg({TOKENS}_bucket{{{MARKED}, gen_ai_token_type="{kind}"}})' for kind in ("input", "output")
] + [f"avg({COST}_bucket{{{MARKED}}})"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Three answered calls and a failed one, scraped after a scrape without them."""
    folder = tmp_path_factory.mktemp("profiles")
    config = folder / "config.yml"
    config.write_text("compat: [openlit]\n")
    arguments = (f"--config.file={config}", "--decision-wait=0s", "--zero-hold=2s")
    with (
        running(folder / "exporter", *arguments) as exporter,
        scraping(exporter.web.removeprefix("http://"), folder / "prometheus") as prometheus,
    ):
        wait_for(lambda: prometheus.value('up{job="llm"}') == 1, "the first scrape")
        streamed = {
            "gen_ai__response__time_to_first_chunk": 0.4,
            "gen_ai__request__stream": True,
            "gen_ai__usage__cache_read__input_tokens": 400,
        }
        spans = [call((1200, 300), seconds=s, **streamed) for s in (0.5, 1.5, 3)]
        body = traces(*spans, failed_call("gpt-4o", "429"), deployment__environment__name="prod")
        sent = requests.post(
            f"{exporter.http}/v1/traces",
            data=body,
            headers={"Content-Type": "application/x-protobuf"},
            timeout=DEADLINE_S,
        )
        assert sent.ok
        shown = f"sum({DURATION}_count)"
        wait_for(lambda: prometheus.value(shown) == CALLS + FAILED, "values after their zero hold")
        yield prometheus


@pytest.mark.parametrize("query", [*QUANTILES, *LATEST, *AVERAGES])
def test_panel_has_data(watched: Prometheus, query: str) -> None:
    values = watched.values(query)
    assert values and all(value > 0 for value in values), query


def test_the_numbers_are_those_of_the_calls(watched: Prometheus) -> None:
    latest = f"sum(last_over_time({COST}_sum{{{MARKED}}}[1m]))"
    assert watched.value(latest) == pytest.approx(CALLS * USD)
    per_call = f"{latest} / sum(last_over_time({COST}_count{{{MARKED}}}[1m]))"
    assert watched.value(per_call) == pytest.approx(USD)
    errors = f'sum(increase({DURATION}_count{{error_type=~".+", {MARKED}}}[1m]))'
    every = f"sum(increase({DURATION}_count{{{MARKED}}}[1m]))"
    assert watched.value(f"{errors} / {every} * 100") == pytest.approx(25)
    assert watched.value(f"({every} - ({errors} or vector(0))) / {every} * 100") == pytest.approx(
        75
    )
    unanswered = f'http_status_code!~"4..|5..", {MARKED}'
    assert watched.value(f"sum(rate({DURATION}_count{{{unanswered}}}[1m]))")
    assert watched.value(f"sum({TOKENS}_sum{{{MARKED}}})") == CALLS * 1500
    assert watched.value(f"sum(increase({TOKENS}_sum{{{MARKED}}}[1m]))")
    assert watched.value(f"sum(increase({COST}_sum{{{MARKED}}}[1m]) / 1000)")


@pytest.mark.parametrize(
    ("label", "value"), [("service_name", "shop"), ("deployment_environment", "prod")]
)
def test_variables_have_choices(watched: Prometheus, label: str, value: str) -> None:
    assert watched.api(f"label/{label}/values") == [value]
