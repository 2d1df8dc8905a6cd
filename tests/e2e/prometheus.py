"""A real Prometheus that scrapes one exporter every second."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.e2e.process import DEADLINE_S, wait_for


class Prometheus:
    """A started server's API."""

    def __init__(self, base: str, log: Path) -> None:
        self.base = base
        self._log = log

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    def api(self, path: str, **parameters: Any) -> Any:
        """`data` of an answer."""
        url = f"{self.base}/api/v1/{path}"
        answer = requests.get(url, params=parameters, timeout=DEADLINE_S).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def own_metrics(self) -> str:
        """What it says about itself."""
        return requests.get(f"{self.base}/metrics", timeout=DEADLINE_S).text

    def values(self, query: str) -> list[float]:
        """The values of an instant vector."""
        return [float(found["value"][1]) for found in self.api("query", query=query)["result"]]

    def value(self, query: str) -> float | None:
        """The value of an instant vector of one; None while there is none."""
        values = self.values(query)
        assert len(values) <= 1, (query, values)
        return values[0] if values else None

    def history(self, selector: str) -> list[float]:
        """Every value that was stored of one series."""
        (series,) = self.api("query", query=f"{selector}[1h]")["result"]
        return [float(value) for _, value in series["values"]]

    def is_up(self) -> bool:
        """Whether its API answers."""
        try:
            return requests.get(f"{self.base}/-/ready", timeout=DEADLINE_S).ok
        except requests.ConnectionError:
            return False


@contextmanager
def scraping(target: str, folder: Path, **options: Any) -> Iterator[Prometheus]:
    """A Prometheus that stores exemplars too; `target` is host:port, `options` are the job's."""
    job = {"job_name": "llm", "static_configs": [{"targets": [target]}], **options}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [job],
    }
    with started(config, folder / "data", folder) as prometheus:
        yield prometheus


@contextmanager
def holding(blocks: Path, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes nothing and holds what promtool wrote, however old that is."""
    with started({}, blocks, folder, "--storage.tsdb.retention.time=100y") as prometheus:
        yield prometheus


@contextmanager
def started(
    settings: dict[str, Any],
    data: Path,
    folder: Path,
    *arguments: str,
    features: str = "exemplar-storage",
    program: Path | str | None = None,
) -> Iterator[Prometheus]:
    """A Prometheus with this configuration, whose data are in a folder of their own.

    `program` is another one than that on the path.
    """
    program = program or shutil.which("prometheus")
    assert program is not None
    folder.mkdir(parents=True)
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address={address}",
                f"--enable-feature={features}",
                "--log.level=debug",
                *arguments,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        prometheus = Prometheus(f"http://{address}", log)
        wait_for(lambda: process.poll() is not None or prometheus.is_up(), "Prometheus")
        assert process.poll() is None, prometheus.log
        yield prometheus
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
    return port
