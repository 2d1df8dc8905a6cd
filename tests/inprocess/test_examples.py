"""The example applications, as they would run: under uvicorn, gunicorn and Celery."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.e2e.process import ROOT, wait_for
from tests.e2e.prometheus import free_port
from tests.facts import Samples

EXAMPLES = ROOT / "examples" / "in-process"
SOON = "zero_hold: 0s\ndecision_wait: 1s\n"
CALLS = 12

pytestmark = pytest.mark.dear


class Running:
    """A process of an example, and what its page says."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process, self.url, self._log = process, url, log

    def get(self, path: str, **options: object) -> requests.Response | None:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return requests.get(f"{self.url}{path}", timeout=20, **options)  # type: ignore[arg-type]
        except requests.ConnectionError:
            return None

    @property
    def page(self) -> Samples | None:
        answer = self.get("/metrics")
        return None if answer is None else Samples(answer.text)

    def total(self, name: str, **labels: str) -> float:
        page = self.page
        return 0.0 if page is None else page.total(name, **labels)


@contextmanager
def example(
    tmp_path: Path, module: str, arguments: Sequence[str], port: int, **settings: str
) -> Iterator[Running]:
    """Start one; end it with SIGTERM, as a supervisor does."""
    config, log = tmp_path / "llm.yml", tmp_path / "log"
    config.write_text(SOON)
    variables = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT / "exporter"), str(EXAMPLES))),
        "LLM_METRICS_CONFIG": str(config),
        **settings,
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path,
            env=variables,
            stdout=out,
            stderr=out,
        )
        try:
            yield Running(process, f"http://127.0.0.1:{port}", log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            finally:
                process.kill()
    assert "Traceback" not in log.read_text()


def asked(app: Running) -> None:
    """Ask so many questions, each on a connection of its own."""
    wait_for(lambda: app.get("/metrics"), "the page", 60)
    for _ in range(CALLS):
        answer = app.get("/answer", params={"question": "what is it"})
        assert answer is not None
        assert answer.json() == "I see."


def test_fastapi_shows_its_calls(tmp_path: Path) -> None:
    port = free_port()
    arguments = ["fastapi_app:app", "--port", str(port)]
    with example(tmp_path, "uvicorn", arguments, port) as app:
        asked(app)
        wait_for(lambda: app.total("llm_requests_total") == CALLS, "the calls")
        page = app.page
        assert page is not None
        labels = {"service": "answers", "model": "gpt-4o-mini"}
        assert page.total("llm_tokens_total", type="input", **labels) == 3 * CALLS
        assert page.total("python_info") == 1
        as_openmetrics = {"accept": "application/openmetrics-text; version=1.0.0"}
        answer = app.get("/metrics", headers=as_openmetrics)
        assert answer is not None
        assert answer.text.endswith("# EOF\n")


def test_the_page_shows_what_runs() -> None:
    page = (ROOT / "docs" / "in-process.md").read_text()
    first, second = re.findall(r"```python show\n(.*?)```", page, re.DOTALL)
    call = """
from prometheus_client import REGISTRY
with trace.get_tracer("x").start_as_current_span("chat") as span:
    span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
trace.get_tracer_provider().shutdown()
for metric in REGISTRY.collect():
    if metric.name == "llm_requests":
        print([sample.labels["service"] for sample in metric.samples])
"""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "exporter")}
    for program, told in ((first + call, "['checkout', 'checkout']\n"), (second, "")):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (told, "")


def _folder(tmp_path: Path, name: str) -> str:
    folder = tmp_path / name
    folder.mkdir()
    return str(folder)


def test_workers_of_gunicorn_show_the_sum_of_all(tmp_path: Path) -> None:
    port, shared = free_port(), _folder(tmp_path, "shared")
    conf, bind = f"{EXAMPLES / 'gunicorn.conf.py'}", f"127.0.0.1:{port}"
    arguments = ["-c", conf, "--bind", bind, "fastapi_app:app"]
    with example(tmp_path, "gunicorn", arguments, port, PROMETHEUS_MULTIPROC_DIR=shared) as app:
        asked(app)
        wait_for(lambda: app.total("llm_requests_total") == CALLS, "the calls of all workers")
        page = app.page
        assert page is not None
        assert page.total("llm_request_duration_seconds_count") == CALLS
        assert page.total("llm_request_duration_seconds_bucket", le="+Inf") == CALLS
        assert page.total("llm_exporter_build_info") == 1
        assert page.total("llm_slo_target") > 0
        asked(app)
    assert of_files(shared).total("llm_requests_total") == 2 * CALLS


def of_files(folder: str) -> Samples:
    """What the files of all processes say, those that have ended among them."""
    code = (
        "from prometheus_client import CollectorRegistry, generate_latest\n"
        "from prometheus_client.multiprocess import MultiProcessCollector\n"
        "registry = CollectorRegistry()\n"
        "MultiProcessCollector(registry)\n"
        "print(generate_latest(registry).decode())\n"
    )
    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": folder}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return Samples(done.stdout)


def test_workers_of_celery_show_the_sum_of_all(tmp_path: Path) -> None:
    port, shared, queue = free_port(), _folder(tmp_path, "shared"), _folder(tmp_path, "queue")
    settings = {
        "PROMETHEUS_MULTIPROC_DIR": shared,
        "CELERY_BROKER": "filesystem://",
        "CELERY_FOLDER": queue,
        "METRICS_PORT": str(port),
    }
    arguments = ["-A", "celery_app", "worker", "--concurrency", "2", "--without-mingle"]
    with example(tmp_path, "celery", arguments, port, **settings) as app:
        wait_for(lambda: app.get("/metrics"), "the page", 60)
        code = "from celery_app import summarise\nfor _ in range({}): summarise.delay('two words')"
        variables = {**os.environ, **settings, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
        variables["PYTHONPATH"] = os.pathsep.join((str(ROOT / "exporter"), str(EXAMPLES)))
        command = [sys.executable, "-c", code.format(CALLS)]
        subprocess.run(command, env=variables, check=True)
        wait_for(lambda: app.total("llm_requests_total") == CALLS, "the calls of all workers", 60)
        assert app.total("llm_tokens_total", service="summaries", type="input") == 2 * CALLS
        subprocess.run(command, env=variables, check=True)
        wait_for(lambda: not list(Path(queue).glob("*.msg")), "all to be taken", 60)
    assert of_files(shared).total("llm_requests_total") == 2 * CALLS
