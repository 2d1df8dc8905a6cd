"""Simulated bad days, judged by the real rules: history, Prometheus, Alertmanager, webhook."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.e2e.process import DEADLINE_S, run, wait_for
from tests.e2e.prometheus import free_port

ALERTS = Path(__file__).parents[2] / "alerts"


class Rung:
    """Alerts that reached the webhook."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []

    @property
    def names(self) -> set[str]:
        """Of those that fire."""
        return {a["labels"]["alertname"] for a in self.alerts if a["status"] == "firing"}


@contextmanager
def webhook() -> Iterator[tuple[str, Rung]]:
    """A receiver as Alertmanager expects it: its address, and what it was told."""
    rung = Rung()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            rung.alerts += json.loads(body)["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", rung
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def history(folder: Path, *incidents: str, hours: int = 3, rate: float = 1.0) -> Path:
    """Blocks with simulated traffic that ends now."""
    file, blocks = folder / "history.om", folder / "blocks"
    run(
        "simulate", f"--openmetrics={file}", f"--history={hours}h", "--step=1m",
        "--profile=small", f"--rate={rate}", *(f"--incident={one}" for one in incidents),
    )  # fmt: skip
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q",
         "--max-block-duration=720h", str(file), str(blocks)],
        check=True, capture_output=True, timeout=DEADLINE_S,
    )  # fmt: skip
    file.unlink()
    return blocks


def _at_once(folder: Path) -> list[str]:
    """The rules without `for`: how long trouble must last is what promtool's tests show."""
    written: list[str] = []
    for path in sorted(ALERTS.glob("*.yml")):
        tree = yaml.safe_load(path.read_text())
        for group in tree["groups"]:
            group.pop("interval", None)
            for rule in group["rules"]:
                rule.pop("for", None)
        copy = folder / path.name
        copy.write_text(yaml.safe_dump(tree))
        written.append(str(copy))
    return written


@contextmanager
def watching(blocks: Path, folder: Path) -> Iterator[tuple[str, Rung]]:
    """Prometheus with these blocks and all rules, and Alertmanager behind it: address, webhook."""
    prometheus, alertmanager = shutil.which("prometheus"), shutil.which("prometheus-alertmanager")
    alertmanager = alertmanager or shutil.which("alertmanager")
    assert prometheus is not None and alertmanager is not None
    folder.mkdir()
    am, pr = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with webhook() as (url, rung), (folder / "log.txt").open("wb") as log:
        route = {"receiver": "hook", "group_wait": "0s", "group_interval": "1s",
                 "group_by": ["..."]}  # fmt: skip
        hook = {"name": "hook", "webhook_configs": [{"url": url}]}
        (folder / "am.yml").write_text(yaml.safe_dump({"route": route, "receivers": [hook]}))
        config = {
            "global": {"evaluation_interval": "1s"},
            "rule_files": _at_once(folder),
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [am]}]}]},
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        commands = (
            [alertmanager, f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'am'}",
             f"--web.listen-address={am}", "--cluster.listen-address="],
            [prometheus, f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={blocks}", f"--web.listen-address={pr}",
             "--rules.alert.resend-delay=1s"],
        )  # fmt: skip
        processes = [subprocess.Popen(c, stdout=log, stderr=log) for c in commands]
        try:
            wait_for(lambda: _is_ready(pr) and _is_ready(am), "Prometheus and Alertmanager")
            yield f"http://{pr}", rung
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(DEADLINE_S)


def _is_ready(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/-/ready", timeout=DEADLINE_S).ok
    except requests.ConnectionError:
        return False


def firing(base: str) -> set[str]:
    """Names of the alerts that fire once every rule was evaluated a few times."""
    page = f"{base}/api/v1"

    def evaluated() -> bool:
        groups = requests.get(f"{page}/rules", timeout=DEADLINE_S).json()["data"]["groups"]
        return bool(groups) and all(r["health"] == "ok" for g in groups for r in g["rules"])

    wait_for(evaluated, "the rules")
    time.sleep(4.0)
    query = {"query": "count(service:llm_slo_target:effective)"}
    recorded = requests.get(f"{page}/query", params=query, timeout=DEADLINE_S).json()
    assert recorded["data"]["result"], "the rules saw no traffic"
    alerts = requests.get(f"{page}/alerts", timeout=DEADLINE_S).json()["data"]["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts}
