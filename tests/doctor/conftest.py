"""A healthy set-up and broken ones, each for the tests of one file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from llm_trace_exporter.doctor import shipped
from tests.doctor.worlds import address, job, rule_files, settle, watching
from tests.e2e.process import ROOT, Exporter, run, running, wait_for
from tests.e2e.prometheus import Prometheus, free_port
from tests.e2e.wire import call, failed_call, traces

RULES = sorted(path.name for path in (ROOT / "alerts").glob("*.yml"))
BROKEN = {"record": "broken", "expr": "llm_requests_total * on (job) llm_requests_total"}
UNKNOWN = {"alert": "OfAnotherVersion", "expr": "llm_reqests_total > 0"}
DROP = {"source_labels": ["__name__"], "regex": "llm_tokens_total", "action": "drop"}
DROP_TARGET = {"source_labels": ["__address__"], "regex": ".*", "action": "drop"}


@pytest.fixture(scope="module", autouse=True)
def _read_once() -> Iterator[None]:
    """What is shipped is read once, not again by each of the hundred askings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("load_rules", "load_panels"):
            patch.setattr(shipped, name, cache(getattr(shipped, name)))
        yield


@dataclass(frozen=True, slots=True)
class Healthy:
    """An exporter with simulated traffic, and who watches it."""

    exporter: Exporter
    watch: Prometheus


@dataclass(frozen=True, slots=True)
class Broken:
    """Two exporters with the same calls, and who watches them."""

    one: Exporter
    other: Exporter
    watch: Prometheus
    """Scrapes a process twice, lacks recordings, labels collide."""
    blind: Prometheus
    """Scrapes no exporter."""
    closed: str
    """host:port where nothing listens, which `blind` scrapes."""


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Healthy]:
    folder = _folder(tmp_path_factory)
    with (
        _exporter(folder / "one", f"{folder}/state.db") as exporter,
        _healthy(folder / "healthy", exporter) as watch,
    ):
        # It looks for targets while traffic is made.
        profile = ("--profile=small", "--rate=80", "--duration=1s")
        run("simulate", f"--endpoint={exporter.http}", *profile)
        wait_for(lambda: exporter.metrics().total("llm_requests_total"), "calls")
        settle(watch)
        wait_for(lambda: watch.value("count(service:llm_slo_target:effective)"), "records")
        yield Healthy(exporter, watch)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    folder = _folder(tmp_path_factory)
    with ExitStack() as stack:
        starting = [_exporter(folder / name, ":memory:") for name in ("one", "other")]
        # Findings name them in this order.
        one, other = sorted(map(stack.enter_context, starting), key=address)
        closed = f"127.0.0.1:{free_port()}"
        watch = stack.enter_context(_broken(folder / "broken", one, other))
        blind = stack.enter_context(_blind(folder / "blind", closed, one))
        body = traces(call((1200, 300)), failed_call("brand-new-model", "429"))
        for exporter in (one, other):
            exporter.send(body)
            exporter.wait_until_settled()
        for server in (blind, watch):
            settle(server)
        wait_for(lambda: watch.value("count(llm_exporter_build_info)") == 3, "scrapes")
        wait_for(lambda: "err" in _health(watch), "the rule that fails")
        yield Broken(one, other, watch, blind, closed)


def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH (`apt-get install prometheus`; `make test` does)")
    return tmp_path_factory.mktemp("doctor")


def _exporter(folder: Path, state: str) -> AbstractContextManager[Exporter]:
    config = {"state": {"path": state}, "traces": {"idle_timeout": "1s"}}
    return running(folder, "--decision-wait=0s", "--zero-hold=0s", config=config)


def _healthy(folder: Path, exporter: Exporter) -> AbstractContextManager[Prometheus]:
    rules = rule_files(folder / "rules", *RULES)
    return watching(folder / "prometheus", [job("llm", address(exporter))], rules)


def _broken(folder: Path, one: Exporter, other: Exporter) -> AbstractContextManager[Prometheus]:
    monitor = job("monitor", address(one))
    monitor["static_configs"][0]["labels"] = {"service": "llm"}
    again = job("again", address(one), metric_relabel_configs=[DROP])
    rules = rule_files(
        folder / "rules", "reliability.yml", own=[BROKEN, UNKNOWN], own_again=[UNKNOWN]
    )
    jobs = [monitor, again, job("other", address(other))]
    return watching(folder / "prometheus", jobs, rules)


def _blind(folder: Path, closed: str, exporter: Exporter) -> AbstractContextManager[Prometheus]:
    jobs = [
        job("llm-trace-exporter", closed),
        job("llm-trace-exporter-otlp", exporter.http.removeprefix("http://")),
        job("dropped", "llm-trace-exporter:9891", relabel_configs=[DROP_TARGET]),
    ]
    folder.mkdir()
    return watching(folder / "prometheus", jobs, [], features="")


def _health(server: Prometheus) -> set[str]:
    return {rule["health"] for g in server.api("rules")["groups"] for rule in g["rules"]}
