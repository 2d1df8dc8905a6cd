"""A written history goes through the real promtool into a real Prometheus, and answers queries."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.process import LONGEST_S, run
from tests.e2e.prometheus import Prometheus, holding

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not on PATH (`apt-get install prometheus`; `make test` does that)",
)

END = "2026-03-04T12:00:00"
END_S = 1_772_625_600
STEP_S = 120
HOURS = 6
OUTAGE = "provider-outage@-4h+1h"
DOWN = "exporter-down@-2h+1h"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "history.om"
    run(
        "simulate", f"--openmetrics={path}", f"--history={HOURS}h", f"--step={STEP_S}s",
        f"--end={END}", "--profile=small", "--rate=0.05", f"--incident={OUTAGE}",
        f"--incident={DOWN}", "--job=llm", "--instance=simulated:1",
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def prometheus(file: Path) -> Iterator[Prometheus]:
    blocks = file.with_name("blocks")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q",
         "--max-block-duration=720h", str(file), str(blocks)],
        check=True, capture_output=True, timeout=LONGEST_S,
    )  # fmt: skip
    with holding(blocks, file.with_name("prometheus")) as started:
        yield started


def at(prometheus: Prometheus, query: str, before_end_s: float = 0.0) -> list[float]:
    found = prometheus.api("query", query=query, time=END_S - before_end_s)["result"]
    return [float(one["value"][1]) for one in found]


def test_families_are_grouped_and_counters_never_fall(file: Path) -> None:
    seen: list[str] = []
    last: dict[str, tuple[int, float]] = {}
    counters: set[str] = set()
    with file.open() as lines:
        for line in lines:
            if line.startswith("# TYPE"):
                _, _, name, kind = line.split()
                assert name not in seen
                seen.append(name)
                if kind in ("counter", "histogram"):
                    counters.add(name)
                continue
            if line.startswith("#"):
                continue
            series, value, when = line.rsplit(" ", 2)
            before_s, before = last.get(series, (0, 0.0))
            assert int(when) > before_s, series
            if seen[-1] in counters:
                assert float(value) >= before, series
            last[series] = (int(when), float(value))
    assert line == "# EOF\n"
    assert all('job="llm",instance="simulated:1"' in series for series in last)


def test_rates_and_quantiles_have_values_all_along(prometheus: Prometheus) -> None:
    queries = (
        "sum(rate(llm_requests_total[10m]))",
        "histogram_quantile(0.95, sum by (le) (rate(llm_request_duration_seconds_bucket[10m])))",
        "sum(rate(llm_cost_usd_total[10m]))",
    )
    for query in queries:
        (series,) = prometheus.api(
            "query_range", query=query, start=END_S - HOURS * 3600 + 1800, end=END_S - 3 * 3600,
            step=600,
        )["result"]  # fmt: skip
        values = [float(value) for _, value in series["values"]]
        assert len(values) == (HOURS - 3) * 6 - 2
        assert all(value > 0 for value in values)


def test_an_incident_is_where_it_was_asked_for(prometheus: Prometheus) -> None:
    share = (
        'sum(rate(llm_requests_total{provider="openai",outcome="error"}[20m]))'
        ' / sum(rate(llm_requests_total{provider="openai"}[20m]))'
    )
    assert at(prometheus, share, 3.2 * 3600) > [0.9]
    assert at(prometheus, share, 5 * 3600) < [0.1]
    assert at(prometheus, share, 2.4 * 3600) < [0.1]


def test_the_exporter_is_down_while_it_was_asked_for(prometheus: Prometheus) -> None:
    assert at(prometheus, 'up{job="llm"}', 1.5 * 3600) == [0.0]
    assert at(prometheus, "llm_exporter_build_info", 1.5 * 3600) == []
    assert at(prometheus, 'up{job="llm"}') == [1.0]
    assert at(prometheus, "llm_exporter_build_info") == [1.0]
    assert at(prometheus, "process_cpu_seconds_total")
