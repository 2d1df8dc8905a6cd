"""`python -m demo` starts everything, and leaves nothing behind."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from demo import __main__ as demo
from llm_trace_exporter.config import load_config
from llm_trace_exporter.simulate.history import VirtualClock
from tests.simulate.world import START_S

AT = {name: f"127.0.0.1:{port}" for name, port in demo.PORTS.items()}


def test_what_was_started_is_ended(tmp_path: Path) -> None:
    with demo._running("sleeper", ["sleep", "60"], tmp_path) as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_prometheus_scrapes_the_exporter_and_loads_the_rules(tmp_path: Path) -> None:
    config = json.loads(demo.prometheus_config(tmp_path, AT).read_text())
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": [AT["exporter"]]}]
    (alertmanager,) = config["alerting"]["alertmanagers"]
    assert alertmanager["static_configs"] == [{"targets": [AT["alertmanager"]]}]
    assert config["rule_files"] == sorted(map(str, (demo.ROOT / "alerts").glob("*.yml")))
    assert len(config["rule_files"]) > 5


def test_the_exporter_has_budgets_baselines_and_a_state_file(tmp_path: Path) -> None:
    settings = load_config(demo.exporter_config(tmp_path))
    assert settings.budgets
    assert settings.state.path == str(tmp_path / "state.db")
    engine = VirtualClock(START_S).engine(settings)
    page = engine.exposition.render().body.decode()
    engine.close()
    for family in ("llm_budget_limit_usd{", "llm_judge_baseline_failure_ratio{"):
        assert family in page


def test_a_port_that_is_taken_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports = {"exporter": taken.getsockname()[1], "otlp": free.getsockname()[1]}
        free.close()
        monkeypatch.setattr(demo, "PORTS", ports)
        found = demo.addresses()
    assert found["otlp"] == f"127.0.0.1:{ports['otlp']}"
    assert found["exporter"] != f"127.0.0.1:{ports['exporter']}"


def test_every_receiver_of_the_example_is_told_here(tmp_path: Path) -> None:
    config = json.loads(demo.alertmanager_config(tmp_path, "http://here").read_text())
    for receiver in config["receivers"]:
        (hook,) = receiver["webhook_configs"]
        assert hook["url"] == f"http://here/{receiver['name']}"
    assert config["route"]["receiver"] in {receiver["name"] for receiver in config["receivers"]}
