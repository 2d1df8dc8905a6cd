"""Starts exporter, Prometheus, Alertmanager and a simulation; ends all of it with Ctrl-C.

Alerts take the routes of the example for Alertmanager, and are printed here with whom they would
have called. Everything that is written is in a folder that goes away at the end. Arguments go to
`simulate`, such as `--incident=rate-limit@2m+10m`.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
PORTS = {"exporter": 9891, "otlp": 4318, "prometheus": 9090, "alertmanager": 9093}
"""Where they listen, unless somebody else does."""
_EXAMPLE = ROOT / "alerts" / "alertmanager" / "alertmanager.yml"
_EXPORTER = Path(__file__).with_name("exporter.yml")
_GRACE_S = 15.0
_LOOK_S = 0.5


@contextmanager
def _running(name: str, command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose output goes to a file; ended when the context is."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def addresses() -> dict[str, str]:
    """host:port of each; of what is taken, the next free one that the system names."""
    found = {}
    for name, port in PORTS.items():
        try:
            listener = socket.create_server(("127.0.0.1", port))
        except OSError:
            listener = socket.create_server(("127.0.0.1", 0))
        with listener:
            host, free = listener.getsockname()
        found[name] = f"{host}:{free}"
    return found


@contextmanager
def _receiver() -> Iterator[str]:
    """Stands in for everybody whom the example calls, and prints what they are told: its address.

    The path of a request is the receiver's name.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            for alert in told["alerts"]:
                print(_line(self.path.strip("/"), alert), flush=True)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _line(receiver: str, alert: Mapping[str, Any]) -> str:
    labels, said = alert["labels"], alert["annotations"]
    sign = "ends" if alert["status"] == "resolved" else labels["severity"]
    name, what = labels["alertname"], said["description"].strip()
    return f"{time.strftime('%H:%M:%S')} {receiver:<15} {sign:<8} {name}: {what}"


def commands(
    folder: Path, at: Mapping[str, str], receiver: str, simulate: Sequence[str]
) -> dict[str, list[str]]:
    """What is started, by name; programs that are not on PATH are left out."""
    product = [sys.executable, "-m", "llm_trace_exporter"]
    found = {
        "exporter": [
            *product, "serve", f"--config.file={exporter_config(folder)}",
            f"--web.listen-address={at['exporter']}",
            f"--otlp.http.listen-address={at['otlp']}", "--otlp.grpc.listen-address=",
        ],
    }  # fmt: skip
    prometheus = shutil.which("prometheus")
    alertmanager = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    if alertmanager is not None:
        found["alertmanager"] = [
            alertmanager, f"--config.file={alertmanager_config(folder, receiver)}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={at['alertmanager']}", "--cluster.listen-address=",
        ]  # fmt: skip
    if prometheus is not None:
        found["prometheus"] = [
            prometheus, f"--config.file={prometheus_config(folder, at)}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={at['prometheus']}", "--enable-feature=exemplar-storage",
        ]  # fmt: skip
    found["simulation"] = [*product, "simulate", f"--endpoint=http://{at['otlp']}", *simulate]
    return found


def exporter_config(folder: Path) -> Path:
    """The demo's, with a state file that goes away with all else."""
    config = yaml.safe_load(_EXPORTER.read_text())
    path = folder / "exporter.yml"
    path.write_text(json.dumps({**config, "state": {"path": str(folder / "state.db")}}))
    return path


def prometheus_config(folder: Path, at: Mapping[str, str]) -> Path:
    """Scrapes the exporter, with the rules of `alerts`; JSON is YAML."""
    config = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": sorted(str(path) for path in (ROOT / "alerts").glob("*.yml")),
        "scrape_configs": [
            {"job_name": "llm-trace-exporter", "static_configs": [{"targets": [at["exporter"]]}]}
        ],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [at["alertmanager"]]}]}]},
    }
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(config))
    return path


def alertmanager_config(folder: Path, receiver: str) -> Path:
    """The example, each of whose receivers is a path of one address."""
    example = yaml.safe_load(_EXAMPLE.read_text())
    config = {
        "route": example["route"],
        "inhibit_rules": example["inhibit_rules"],
        "receivers": [
            {"name": one["name"], "webhook_configs": [{"url": f"{receiver}/{one['name']}"}]}
            for one in example["receivers"]
        ],
    }
    path = folder / "alertmanager.yml"
    path.write_text(json.dumps(config))
    return path


def _print_addresses(at: Mapping[str, str], started: Iterable[str]) -> None:
    pages = {"exporter": f"http://{at['exporter']}/metrics",
             "prometheus": f"http://{at['prometheus']}/alerts",
             "alertmanager": f"http://{at['alertmanager']}"}  # fmt: skip
    for name, page in pages.items():
        print(f"{name:<13} {page if name in started else 'not on PATH'}")
    print(f"{'OTLP/HTTP':<13} http://{at['otlp']}")
    print("running until Ctrl-C; alerts take a few minutes and are printed here", flush=True)


def main(simulate: Sequence[str]) -> int:
    """Run until Ctrl-C, SIGTERM or the end of a part; the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    at = addresses()
    with TemporaryDirectory(prefix="llm-demo-") as written, ExitStack() as stack:
        folder = Path(written)
        receiver = stack.enter_context(_receiver())
        try:
            processes = {
                name: stack.enter_context(_running(name, command, folder))
                for name, command in commands(folder, at, receiver, simulate).items()
            }
            _print_addresses(at, processes)
            while True:
                time.sleep(_LOOK_S)
                for name, process in processes.items():
                    if (code := process.poll()) is not None:
                        tail = (folder / f"{name}.log").read_text(errors="replace")[-2_000:]
                        print(f"{name} ended with {code}:\n{tail}", file=sys.stderr)
                        return int(code != 0)
        except KeyboardInterrupt:
            print("ending")
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
