"""The exporter as the chart would start it: its arguments, files and user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests
import yaml

from helm.values import CHART
from tests.e2e.prometheus import free_port
from tests.e2e.warm import environment
from tests.helm.chart import Helm, Manifest, config, exporter, of_kind, pod_specs
from tests.server.certs import Authority, server_pair

USER = 10001
TOKEN = "f" * 32
LATER = ("config", "tokens")
"""Use cases that `make test-long` starts."""


READ_ANYTHING = "-all,+dac_read_search"


def as_the_user(command: list[str]) -> list[str]:
    """The command as the pod's user, without any right; as ourselves where we are not root."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not on PATH")
    return [*as_user(may_read_all=not can_read_this_checkout()), *command]


def as_user(*, may_read_all: bool) -> list[str]:
    """`setpriv`, with the one right that a checkout in a private folder takes: to read it."""
    rights = READ_ANYTHING if may_read_all else "-all"
    kinds = [f"--{kind}={rights}" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    user = [f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    return ["setpriv", *user, "--no-new-privs", *kinds]


@cache
def can_read_this_checkout() -> bool:
    """Whether the pod's user can import the package from where it is."""
    look = [sys.executable, "-B", "-c", "import llm_trace_exporter.cli.main"]
    done = subprocess.run(
        [*as_user(may_read_all=False), *look], env=environment(), capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that the pod's user may enter, which pytest's own are not."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@contextmanager
def started(objects: list[Manifest], root: Path) -> Iterator[None]:
    """The exporter with the pod's files under `root`, until the block ends."""
    text = config(objects)
    assert text is not None
    container = exporter(objects)
    pair = server_pair(Authority())
    files = {"/etc/llm-trace-exporter/config/config.yml": text}
    written = yaml.safe_load(text)
    if key := written.get("judge", {}).get("endpoint", {}).get("api_key_file"):
        files[key] = "key"
    for token in written["otlp"].get("tokens", []):
        files[token["file"]] = f"{TOKEN}-{token['name']}\n"
    for listener in (written["web"], written["otlp"]["http"], written["otlp"]["grpc"]):
        if path := listener.get("config_file"):
            files[path] = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
    for path, content in files.items():
        place = root / path.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(
            content.replace("/etc/llm", f"{root}/etc/llm").replace("/var", f"{root}/var")
        )
        if content.startswith("tls_server_config"):
            pair.write(place.parent, "server")
    if os.geteuid() == 0:
        # As `fsGroup` and `defaultMode` have it.
        for place in (root / "etc").glob("**/*.*"):
            os.chown(place, 0, USER)
            place.chmod(0o440)
    state = root / "var/lib/llm-trace-exporter"
    state.mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(state, USER, USER)
    arguments = [a.replace("/etc/llm", f"{root}/etc/llm") for a in container["args"]]
    command = [sys.executable, "-B", "-m", "llm_trace_exporter"]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            as_the_user([*command, *arguments]),
            cwd=state,
            env=environment(),
            stdout=log,
            stderr=log,
        )
    try:
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        assert process.wait(30) == 0, (root / "log").read_text()
    assert (state / "state.db").exists()


@pytest.mark.parametrize(
    "case", ["default", "tls", *(pytest.param(c, marks=pytest.mark.long) for c in LATER)]
)
def test_it_serves_and_passes_the_charts_test(helm: Helm, case: str, root: Path) -> None:
    ports = {"metrics": free_port(), "otlpHttp.port": free_port(), "otlpGrpc.port": free_port()}
    changed = ",".join(f"ports.{name}={port}" for name, port in ports.items())
    values = str(CHART / "ci" / f"{case}-values.yaml")
    objects = helm.render("-f", values, "--set", changed)
    (test,) = [p for o in of_kind(objects, "Pod") for p in pod_specs([o])]
    (asks,) = test["containers"]
    host = "llm-llm-trace-exporter.observability.svc"
    arguments = [a.replace(host, "127.0.0.1") for a in asks["args"]]
    assert arguments != asks["args"]
    with started(objects, root):
        done = subprocess.run(
            as_the_user([sys.executable, "-B", "-m", "llm_trace_exporter", *arguments]),
            env=environment(), cwd="/", capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        targets = [a for a in arguments if "://" in a]
        assert done.stdout.count(": well") == len(targets) >= 3
        assert_probes_pass(objects, ports["metrics"])


def assert_probes_pass(objects: list[Manifest], port: int) -> None:
    """The kubelet asks the pod itself and looks at no certificate."""
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = exporter(objects)[probe]["httpGet"]
        url = f"{asked.get('scheme', 'HTTP').lower()}://127.0.0.1:{port}{asked['path']}"
        with warnings.catch_warnings(action="ignore"):
            assert requests.get(url, verify=False, timeout=30).ok, url
