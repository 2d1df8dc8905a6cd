"""Simulated bad days, judged by the real rules: history, Prometheus, Alertmanager, webhooks."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from llm_trace_exporter.cli.main import main
from tests.e2e.process import DEADLINE_S, wait_for
from tests.e2e.prometheus import free_port

ALERTS = Path(__file__).parents[2] / "alerts"
EXAMPLE = ALERTS / "alertmanager" / "alertmanager.yml"
needs_servers = pytest.mark.skipif(
    not shutil.which("promtool")
    or not (shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")),
    reason="prometheus or alertmanager is not on PATH (`apt-get install prometheus-alertmanager`)",
)

_PATIENCE_S = 120.0
_PLACES = ("environment", "instance", "budget")
_ROUNDS = 3
"""Rules that read what others record, which read what others record."""
_START_S, _A_HISTORY_S = 3.0, 1.5
"""How long it takes to write some, two at once; Prometheus takes nothing before what it holds."""


@dataclass(frozen=True, slots=True)
class Ring:
    """One alert that reached somebody."""

    receiver: str
    labels: Mapping[str, str]
    group: str = ""
    """What it was told together with: one notification, which is updated."""

    @property
    def name(self) -> str:
        """Alert and severity."""
        return f"{self.labels['alertname']} {self.labels['severity']}"


class Heard(list[Ring]):
    """Alerts that reached the webhooks and fire."""

    def who(self, about: str = "") -> dict[str, set[str]]:
        """Receivers of each alert; only those about one environment, instance or budget."""
        found: dict[str, set[str]] = {}
        for ring in list(self):
            if not about or about in {ring.labels.get(name) for name in _PLACES}:
                found.setdefault(ring.name, set()).add(ring.receiver)
        return found

    def pages(self, about: str) -> dict[str, set[str]]:
        """Notifications that wake somebody about one environment or instance: group -> alerts."""
        found: dict[str, set[str]] = {}
        for ring in list(self):
            if "pager" in ring.receiver and about in {ring.labels.get(name) for name in _PLACES}:
                found.setdefault(f"{ring.receiver} {ring.group}", set()).add(ring.name)
        return found


@dataclass(frozen=True, slots=True)
class History:
    """What happens before now to one exporter, whose environment it is alone in."""

    name: str
    incidents: tuple[str, ...] = ()
    """As `simulate` takes them."""
    length: str = "90m"
    rate: float = 0.5
    config: Mapping[str, Any] | None = None
    services: tuple[str, ...] = ()
    """Empty: all of them."""
    step: str = "1m"


@contextmanager
def webhooks() -> Iterator[tuple[str, Heard]]:
    """A receiver for each path: the address of all, and what they were told."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.extend(
                Ring(self.path.strip("/"), alert["labels"], body["groupKey"])
                for alert in body["alerts"]
                if alert["status"] == "firing"
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def written(folder: Path, histories: Sequence[History]) -> Path:
    """Blocks with all of them, that end when they are written."""
    seconds = _START_S + _A_HISTORY_S * len(histories)
    end = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()
    blocks = folder / "blocks"
    blocks.mkdir(exist_ok=True)
    workers = min(2, len(histories))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for file in pool.map(_write, histories, repeat(folder), repeat(end)):
            to_blocks(file, blocks)
    return blocks


def _write(history: History, folder: Path, end: str) -> Path:
    file, config = folder / f"{history.name}.om", folder / f"{history.name}.yml"
    config.write_text(yaml.safe_dump(dict(history.config or {})))
    arguments = (
        "simulate", f"--openmetrics={file}", f"--history={history.length}", f"--end={end}",
        f"--step={history.step}", "--profile=steady", f"--rate={history.rate}",
        f"--environment={history.name}", f"--instance={history.name}",
        f"--config.file={config}", *(f"--incident={one}" for one in history.incidents),
        *(f"--service={one}" for one in history.services),
    )  # fmt: skip
    assert main(arguments) == 0
    return file


def to_blocks(file: Path, blocks: Path) -> None:
    """Have promtool turn an OpenMetrics file into a Prometheus' data."""
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q",
         "--max-block-duration=720h", str(file), str(blocks)],
        check=True, capture_output=True, timeout=_PATIENCE_S,
    )  # fmt: skip
    file.unlink()


def _at_once(folder: Path) -> list[str]:
    """The rules without `for`: how long trouble must last is what promtool's tests show."""
    copies: list[str] = []
    for path in sorted(ALERTS.glob("*.yml")):
        tree = yaml.safe_load(path.read_text())
        for group in tree["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                rule.pop("for", None)
        copy = folder / path.name
        copy.write_text(yaml.safe_dump(tree))
        copies.append(str(copy))
    return copies


def _quick_example(base: str, wait_s: int) -> dict[str, Any]:
    """The example with its own routes and inhibitions; each receiver is a webhook.

    Within `wait_s` of an alert comes what inhibits it.
    """
    config: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())

    def hurry(route: dict[str, Any]) -> None:
        route |= {"group_wait": f"{wait_s}s", "group_interval": "1s"}
        for nested in route.get("routes", ()):
            hurry(nested)

    hurry(config["route"])
    return {
        "route": config["route"],
        "inhibit_rules": config["inhibit_rules"],
        "receivers": [
            {"name": one["name"], "webhook_configs": [{"url": f"{base}/{one['name']}"}]}
            for one in config["receivers"]
        ],
    }


@contextmanager
def _running(command: Sequence[str], log: Path, address: str) -> Iterator[None]:
    """A process that ends with the context."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(lambda: process.poll() is not None or _is_ready(address), command[0])
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _is_ready(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/-/ready", timeout=DEADLINE_S).ok
    except requests.ConnectionError:
        return False


@dataclass(frozen=True, slots=True)
class Watch:
    """All rules over some data, and whoever they call."""

    base: str
    alertmanager: str
    heard: Heard

    def firing(self) -> set[str]:
        """Alert and severity of what fires in Prometheus, whether anybody hears of it or not."""
        alerts = self._get("alerts")["alerts"]
        return {f"{a['labels']['alertname']} {a['labels']['severity']}" for a in alerts}

    def _get(self, path: str) -> Any:
        return requests.get(f"{self.base}/api/v1/{path}", timeout=_PATIENCE_S).json()["data"]

    def settle(self) -> None:
        """Wait until all rules have seen what the others recorded, and all was told."""
        for _ in range(_ROUNDS):
            now = datetime.now(UTC)

            def evaluated(since: datetime = now) -> bool:
                groups = self._get("rules")["groups"]
                return bool(groups) and all(
                    datetime.fromisoformat(_short(group["lastEvaluation"])) > since
                    and all(rule["health"] == "ok" for rule in group["rules"])
                    for group in groups
                )

            wait_for(evaluated, "the rules", _PATIENCE_S)
        wait_for(self._is_told, "whoever Alertmanager calls", _PATIENCE_S)

    def _is_told(self) -> bool:
        """Whether everybody has heard all that fires and nothing inhibits."""
        alerts = requests.get(f"{self.alertmanager}/api/v2/alerts", timeout=_PATIENCE_S).json()
        heard = {(ring.receiver, *sorted(ring.labels.items())) for ring in list(self.heard)}
        active = {
            (receiver["name"], *sorted(alert["labels"].items()))
            for alert in alerts
            if alert["status"]["state"] != "suppressed"
            for receiver in alert["receivers"]
        }
        return len(alerts) >= len(self._get("alerts")["alerts"]) and active <= heard


def _short(moment: str) -> str:
    """Go writes nanoseconds, which Python 3.11 does not read."""
    day, _, rest = moment.partition(".")
    return f"{day}.{rest[:6].rstrip('Z+').ljust(6, '0')}+00:00" if rest else day


@contextmanager
def watching(blocks: Path, folder: Path, wait_s: int = 10, target: str = "") -> Iterator[Watch]:
    """Prometheus with these blocks and all rules, and Alertmanager, when all has been said.

    Args:
        blocks: The data.
        folder: For configuration and logs; it is made.
        wait_s: How long Alertmanager waits for what belongs together, or inhibits. Until then all
            rules must have been evaluated, and told again: Prometheus finds Alertmanager only five
            seconds after its start, and what began long before it is told is not waited for.
        target: host:port of an exporter that is scraped as well.
    """
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    alertmanager = alertmanager or shutil.which("alertmanager")
    assert prometheus is not None and alertmanager is not None
    folder.mkdir()
    am, pr = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    config = {
        "global": {"evaluation_interval": "1s"},
        "rule_files": _at_once(folder),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [am]}]}]},
        "scrape_configs": [
            {"job_name": "llm", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
        ] if target else [],
    }  # fmt: skip
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    caller = [
        alertmanager, f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'am'}",
        f"--web.listen-address={am}", "--cluster.listen-address=",
    ]  # fmt: skip
    watcher = [
        prometheus, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={blocks}",
        f"--web.listen-address={pr}", f"--rules.alert.resend-delay={wait_s // 4}s",
    ]  # fmt: skip
    with webhooks() as (base, heard):
        (folder / "am.yml").write_text(yaml.safe_dump(_quick_example(base, wait_s)))
        with (
            _running(caller, folder / "alertmanager.log", am),
            _running(watcher, folder / "prometheus.log", pr),
        ):
            watch = Watch(f"http://{pr}", f"http://{am}", heard)
            watch.settle()
            yield watch
