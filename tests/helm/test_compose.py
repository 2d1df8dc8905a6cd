"""compose.yaml, as far as can be told without an engine."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import carried
from llm_trace_exporter.cli import simulate
from llm_trace_exporter.config import parse_config
from llm_trace_exporter.simulate.incidents import INCIDENTS

ROOT = Path(__file__).parents[2]
# With the defaults of what the environment may change.
TEXT = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "compose.yaml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)


def content(name: str) -> str:
    return str(COMPOSE["configs"][name]["content"])


def test_docker_takes_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("docker compose is not on PATH")
    command = [docker, "compose", "--profile", "simulate", "config", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True)


def test_it_follows_the_specification() -> None:
    reader = pytest.importorskip("compose_spec", reason="compose-spec has no wheel here").PyCompose
    # Merged and without anchors, which it does not read.
    reader.from_yaml(yaml.safe_dump(COMPOSE)).validate()
    exporter = {**COMPOSE["services"]["exporter"], "stop_grace_periode": "1s"}
    broken = {**COMPOSE, "services": {"exporter": exporter}}
    with pytest.raises(ValueError, match="stop_grace_periode"):
        reader.from_yaml(yaml.safe_dump(broken))


def test_images_can_be_overridden() -> None:
    text = (ROOT / "compose.yaml").read_text()
    for image in re.findall(r"image: (.*)", text):
        assert re.fullmatch(r"(ghcr\.io/[\w/-]+:)?\$\{\w+:-[\w./:-]*\d[\w.]*\}", image), image


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


def test_all_of_them_see_our_files() -> None:
    mounted = [
        volume.split(":")
        for service in ("prometheus", "alertmanager", "grafana")
        for volume in COMPOSE["services"][service]["volumes"]
        if volume.startswith(".")
    ]
    sources = {(ROOT / source).resolve(): target for source, target, *_ in mounted}
    assert {path.parent for path in carried.sources()} == set(sources)
    assert sources[ROOT / "alerts"] in content("prometheus")
    assert sources[ROOT / "dashboards" / "json"] in content("grafana-dashboards")


def test_alertmanager_has_the_example() -> None:
    service = COMPOSE["services"]["alertmanager"]
    (mounted,) = [v.split(":") for v in service["volumes"] if v.startswith(".")]
    assert (ROOT / mounted[0] / "alertmanager.yml").exists()
    assert f"--config.file={mounted[1]}/alertmanager.yml" in service["command"]


def test_the_simulation_takes_its_arguments() -> None:
    _, *arguments = COMPOSE["services"]["simulate"]["command"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    simulate.add_options(parser)
    (incident,) = parser.parse_args(arguments).incident
    assert incident.partition("@")[0] in INCIDENTS


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
