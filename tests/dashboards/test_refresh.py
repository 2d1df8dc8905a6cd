"""A refresh reads little of a day of history, too."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dashboards.draw import rules
from tests.dashboards.history import CONFIG, END, END_S, record
from tests.dashboards.refresh import MOST_SAMPLES, samples_read
from tests.dashboards.written import DASHBOARDS
from tests.e2e.prometheus import Prometheus, holding

pytestmark = pytest.mark.long

HOURS = 24
STEP_S = 180
WRITTEN_S = 1_800.0


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH (`apt-get install prometheus`; `make test` does that)")
    folder = tmp_path_factory.mktemp("day")
    file, blocks = folder / "day.om", folder / "blocks"
    subprocess.run(
        [sys.executable, "-m", "llm_trace_exporter", "simulate", f"--openmetrics={file}",
         f"--history={HOURS}h", f"--step={STEP_S}s", f"--end={END}", "--profile=small",
         "--rate=0.1", f"--config.file={CONFIG}", "--job=llm-trace-exporter",
         "--instance=exporter-0:9891"],
        check=True, capture_output=True, timeout=WRITTEN_S,
    )  # fmt: skip
    rules.write_blocks(file, blocks)
    record(blocks, folder, END_S - HOURS * 3600, END_S)
    with holding(blocks, folder / "prometheus") as prometheus:
        yield prometheus


@pytest.mark.parametrize("uid", [uid for uid in DASHBOARDS if uid != "llm-sources"])
def test_a_refresh_of_the_first_view_reads_little(day: Prometheus, uid: str) -> None:
    read = samples_read(day, DASHBOARDS[uid], END_S, STEP_S)
    assert 0 < sum(read.values()) < MOST_SAMPLES, read
