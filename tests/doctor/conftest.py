"""Three set-ups at once, as Prometheus takes five seconds to find its first targets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doctor.worlds import address, job, rule_files, settle, watching
from tests.e2e.process import ROOT, Exporter, run, running, wait_for
from tests.e2e.prometheus import Prometheus, free_port
from tests.e2e.wire import call, failed_call, traces

RULES = sorted(path.name for path in (ROOT / "alerts").glob("*.yml"))
BROKEN = {"record": "broken", "expr": "llm_requests_total * on (job) llm_requests_total"}
UNKNOWN = {"alert": "OfAnotherVersion", "expr": "llm_reqests_total > 0"}
DROP = {"source_labels": ["__name__"], "regex": "llm_tokens_total", "action": "drop"}
DROP_TARGET = {"source_labels": ["__address__"], "regex": ".*", "action": "drop"}


@dataclass(frozen=True, slots=True)
class Worlds:
    """Exporters and who watches them."""

    one: Exporter
    """With simulated traffic."""
    other: Exporter
    """With a few calls."""
    third: Exporter
    """With the same calls."""
    healthy: Prometheus
    broken: Prometheus
    """Scrapes a process twice, lacks recordings, labels collide."""
    blind: Prometheus
    """Scrapes no exporter."""
    closed: str
    """host:port where nothing listens, which `blind` scrapes."""


@pytest.fixture(scope="package")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not on PATH (`apt-get install prometheus`; `make test` does)")
    folder = tmp_path_factory.mktemp("doctor")
    with ExitStack() as stack:
        states = {"one": f"{folder}/state.db", "other": ":memory:", "third": ":memory:"}
        starting = [_exporter(folder / name, state) for name, state in states.items()]
        with ThreadPoolExecutor() as pool:
            one, other, third = pool.map(stack.enter_context, starting)
        # Findings name them in this order.
        other, third = sorted((other, third), key=address)
        closed = f"127.0.0.1:{free_port()}"
        healthy = stack.enter_context(_healthy(folder / "healthy", one))
        broken = stack.enter_context(_broken(folder / "broken", other, third))
        blind = stack.enter_context(_blind(folder / "blind", closed, other))
        # They look for targets while traffic is made.
        _send(one, other, third)
        for server in (blind, broken, healthy):
            settle(server)
        wait_for(lambda: healthy.value("count(service:llm_slo_target:effective)"), "records")
        wait_for(lambda: broken.value("count(llm_exporter_build_info)") == 3, "scrapes")
        wait_for(lambda: "err" in _health(broken), "the rule that fails")
        yield Worlds(one, other, third, healthy, broken, blind, closed)


def _send(one: Exporter, *others: Exporter) -> None:
    body = traces(call((1200, 300)), failed_call("brand-new-model", "429"))
    for exporter in others:
        exporter.send(body)
        exporter.wait_until_settled()
    run("simulate", f"--endpoint={one.http}", "--profile=small", "--rate=80", "--duration=1s")
    wait_for(lambda: one.metrics().total("llm_requests_total"), "calls")


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
