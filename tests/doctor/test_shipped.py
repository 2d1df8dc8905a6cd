"""What a wheel carries along is what the repository has."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from llm_trace_exporter.doctor import shipped
from llm_trace_exporter.errors import ConfigError
from tests.alerts.rules import all_rules
from tests.e2e.process import ROOT


def test_a_wheel_carries_every_rule_and_dashboard() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    packed = "llm_trace_exporter/doctor/bundle"
    files = [str(path.relative_to(ROOT)) for path in (ROOT / "alerts").glob("*.yml")]
    assert included == {
        **{file: f"{packed}/{file}" for file in files},
        "dashboards/json": f"{packed}/dashboards",
    }


def test_every_rule_is_read() -> None:
    found = shipped.load_rules(shipped.RULES)
    assert [rule.name for rule in found] == [rule.name for rule in all_rules()]
    assert all(rule.selectors for rule in found)


def test_every_panel_is_read() -> None:
    found = shipped.load_panels(shipped.DASHBOARDS)
    assert len({panel.dashboard for panel in found}) == len(list(shipped.DASHBOARDS.iterdir()))
    assert all(panel.selectors or panel.title for panel in found)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [("a.yml", "groups: [", "no YAML"), ("a.json", "{", "no JSON"), ("a.json", "\xff", "read")],
)
def test_files_that_are_none(tmp_path: Path, name: str, text: str, part: str) -> None:
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    load = shipped.load_rules if name.endswith(".yml") else shipped.load_panels
    with pytest.raises(ConfigError, match=part):
        load(tmp_path)


@pytest.mark.parametrize("text", ["[]", "1", '{"panels": 1}', '{"panels": [1, {"targets": [1]}]}'])
def test_json_that_is_no_dashboard_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert shipped.load_panels(tmp_path) == ()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no folder"):
        shipped.load_rules(tmp_path / "none")
