"""compose.yaml, the image and the workflows, as far as can be told without an engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import carried
from llm_trace_exporter import __version__
from llm_trace_exporter.cli import main
from llm_trace_exporter.config import parse_config

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def content(name: str) -> str:
    return str(COMPOSE["configs"][name]["content"])


def test_docker_takes_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("docker compose is not on PATH")
    command = [docker, "compose", "--profile", "simulate", "config", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_what_is_referred_to_is_there() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        for config in service.get("configs", []):
            assert config["source"] in COMPOSE["configs"]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (ROOT / source).is_dir() if source[0] == "." else source in COMPOSE["volumes"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "out of the box nobody else can reach it"


def test_grafana_and_prometheus_see_our_files() -> None:
    folders = {path.parent.name: path for path in carried.sources()}
    mounted = [
        volume.split(":")
        for service in ("prometheus", "grafana")
        for volume in COMPOSE["services"][service]["volumes"]
        if volume.startswith(".")
    ]
    sources = {(ROOT / source).resolve(): target for source, target, *_ in mounted}
    assert {path.parent for path in folders.values()} == set(sources)
    assert sources[ROOT / "alerts"] in content("prometheus")
    assert sources[ROOT / "dashboards" / "json"] in content("grafana-dashboards")


def test_the_exporter_takes_its_configuration() -> None:
    settings = parse_config(content("exporter"), "config.yml")
    ports = {settings.otlp.http.listen_address, settings.otlp.grpc.listen_address}
    assert {*ports, *settings.web.listen_addresses} == {":9891", ":4317", ":4318"}


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH")
    path = tmp_path / "prometheus.yml"
    path.write_text(content("prometheus").replace("/etc/prometheus/rules", str(ROOT / "alerts")))
    done = subprocess.run(
        [promtool, "check", "config", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_image_starts_commands_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["healthcheck", "--help"])
    assert "TARGET" in capsys.readouterr().out
    assert 'ENTRYPOINT ["llm-trace-exporter"]' in DOCKERFILE
    assert '"llm-trace-exporter", "healthcheck"' in DOCKERFILE
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user and min(map(int, user.groups())) >= 10_000
    assert f":-{__version__}}}" in COMPOSE["services"]["exporter"]["image"]


def test_what_the_image_copies_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert {name for line in copied for name in line.split()} == allowed
    assert all((ROOT / name).exists() for name in allowed)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_actions_are_pinned(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action), action
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
