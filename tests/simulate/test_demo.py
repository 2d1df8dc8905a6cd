"""`python -m demo` starts everything, and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

from demo import __main__ as demo


def test_what_was_started_is_ended(tmp_path: Path) -> None:
    with demo._running("sleeper", ["sleep", "60"], tmp_path) as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_prometheus_scrapes_the_exporter_and_loads_the_rules_there_are(tmp_path: Path) -> None:
    config = json.loads(demo._prometheus_config(tmp_path, has_alertmanager=True).read_text())
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": [demo.EXPORTER]}]
    assert config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert config["rule_files"] == sorted(map(str, (demo.ROOT / "alerts").glob("*.yml")))
