"""prometheus_client's multiprocess mode: the page of all is the sum of what each counted."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from llm_trace_exporter.inprocess.multiprocess import SUMMED_GAUGES, Mirror
from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.metrics.store import Store, StoreOptions
from tests.e2e.process import ROOT
from tests.facts import Samples
from tests.inprocess.forking import CALLS
from tests.inprocess.test_processors import Application

ALL = sum(CALLS) + 1
"""One more of a second processor in the first process."""
LASTING = re.compile(r"llm_(?!exporter_)")


def output(module: str, folder: Path) -> str:
    """What a program prints that has its files in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.inprocess.{module}"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "exporter"), str(ROOT))),
            "PROMETHEUS_MULTIPROC_DIR": str(folder),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    folder = tmp_path_factory.mktemp("shared")
    page = Samples(output("forking", folder))
    assert len(list(folder.glob("counter_*.db"))) == len(CALLS)
    return page


@pytest.mark.dear
def test_a_fork_in_the_middle_of_a_write_leaves_a_child_that_counts(tmp_path: Path) -> None:
    """The application's own metrics, too: prometheus_client's lock is one for all of them."""
    assert output("fork_storm", tmp_path) == "0\n"


def test_what_each_process_counted_is_added_up(page: Samples) -> None:
    assert page.total("answers_total") == sum(CALLS) - 1
    app = Application()
    for _ in range(ALL):
        app.call()
    app.provider.shutdown()
    alone = app.page
    compared = [
        f"{family.base_name}{suffix}"
        for family in FAMILIES
        for suffix in {"counter": ("_total",), "histogram": ("_count",)}.get(family.type, ())
        if LASTING.match(family.name) and alone.total(f"{family.base_name}{suffix}")
    ]
    assert len(compared) > 5
    assert {name: page.total(name) for name in compared} == {
        name: pytest.approx(alone.total(name)) for name in compared
    }


def test_buckets_are_cumulative(page: Samples) -> None:
    name = "llm_request_duration_seconds"
    buckets = [sample.value for sample in page.matching(f"{name}_bucket")]
    assert buckets == sorted(buckets)
    assert page.total(f"{name}_bucket", le="+Inf") == page.total(f"{name}_count") == ALL


def test_gauges_are_of_those_that_live(page: Samples) -> None:
    assert page.total("llm_exporter_build_info") == 1
    assert page.total("llm_exporter_pending_calls_limit") == 200_000
    assert page.total("llm_slo_target", slo="availability") < 1


def test_a_series_that_expired_and_came_back_goes_on() -> None:
    """What the file has stays, and what is counted anew is added to it."""
    now_s = 0.0
    store = Store(StoreOptions(zero_hold_s=0.0, idle_expiry_s=100.0), clock=lambda: now_s)
    mirror = Mirror(store)
    name = "llm_judge_verdicts_total"
    key = ("x",) * len(store.counters(name).label_names)
    for amount, written in ((5, 5), (2, 7)):
        store.counters(name).get(key).add(amount, now_s)
        mirror.write()
        text = store.counters(name).series[key].text
        assert mirror._written[name, text][0].get() == written
        now_s += 200
        store.expire()
        assert key not in store.counters(name).series


def test_gauges_that_are_summed_are_of_the_catalogue() -> None:
    gauges = {family.name for family in FAMILIES if family.type == "gauge"}
    assert SUMMED_GAUGES.keys() <= gauges
