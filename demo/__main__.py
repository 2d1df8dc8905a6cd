"""Starts exporter, Prometheus, Alertmanager and a simulation; ends all of it with Ctrl-C.

Everything that they write is in a folder that goes away at the end. Arguments go to `simulate`,
such as `--incident=rate-limit@2m+10m`.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
EXPORTER = "127.0.0.1:9891"
OTLP = "127.0.0.1:4318"
PROMETHEUS = "127.0.0.1:9090"
ALERTMANAGER = "127.0.0.1:9093"
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


def _commands(folder: Path, simulate: Sequence[str]) -> dict[str, list[str]]:
    product = [sys.executable, "-m", "llm_trace_exporter"]
    commands = {
        "exporter": [
            *product, "serve", f"--web.listen-address={EXPORTER}",
            f"--otlp.http.listen-address={OTLP}", "--otlp.grpc.listen-address=",
        ],
    }  # fmt: skip
    prometheus = shutil.which("prometheus")
    alertmanager = shutil.which("alertmanager") or shutil.which("prometheus-alertmanager")
    if alertmanager is not None:
        commands["alertmanager"] = [
            alertmanager, f"--config.file={_alertmanager_config(folder)}",
            f"--storage.path={folder / 'alertmanager'}", f"--web.listen-address={ALERTMANAGER}",
            "--cluster.listen-address=",
        ]  # fmt: skip
    if prometheus is not None:
        commands["prometheus"] = [
            prometheus, f"--config.file={_prometheus_config(folder, alertmanager is not None)}",
            f"--storage.tsdb.path={folder / 'prometheus'}", f"--web.listen-address={PROMETHEUS}",
            "--enable-feature=exemplar-storage",
        ]  # fmt: skip
    commands["simulation"] = [*product, "simulate", f"--endpoint=http://{OTLP}", *simulate]
    return commands


def _prometheus_config(folder: Path, has_alertmanager: bool) -> Path:
    """JSON is YAML. The rules of `alerts` are loaded where there are any."""
    rules = sorted(str(path) for path in (ROOT / "alerts").glob("*.yml"))
    config: dict[str, object] = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": rules,
        "scrape_configs": [
            {"job_name": "llm-trace-exporter", "static_configs": [{"targets": [EXPORTER]}]}
        ],
    }
    if has_alertmanager:
        targets = {"static_configs": [{"targets": [ALERTMANAGER]}]}
        config["alerting"] = {"alertmanagers": [targets]}
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(config))
    return path


def _alertmanager_config(folder: Path) -> Path:
    path = folder / "alertmanager.yml"
    path.write_text(json.dumps({"route": {"receiver": "page"}, "receivers": [{"name": "page"}]}))
    return path


def main(simulate: Sequence[str]) -> int:
    """Run until Ctrl-C, SIGTERM or the end of a part; the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    addresses = {"exporter": f"{EXPORTER}/metrics", "prometheus": PROMETHEUS,
                 "alertmanager": ALERTMANAGER}  # fmt: skip
    with TemporaryDirectory(prefix="llm-demo-") as written, ExitStack() as stack:
        folder = Path(written)
        commands = _commands(folder, simulate)
        try:
            processes = {
                name: stack.enter_context(_running(name, command, folder))
                for name, command in commands.items()
            }
            for name, address in addresses.items():
                here = f"http://{address}" if name in commands else "not on PATH"
                print(f"{name:<13} {here}")
            print("running until Ctrl-C", flush=True)
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
