"""The rule files of `alerts`, and the unit tests beside them, as records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "alerts"
RUNBOOKS = ALERTS / "runbooks"
RULE_FILES = sorted(ALERTS.glob("*.yml"))
CASE_FILES = sorted((ALERTS / "tests").glob("*.yml"))
HOME = "https://github.com/llm-trace-exporter/llm-trace-exporter/blob/main/alerts/runbooks"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as its file tells it."""

    file: str
    name: str
    """Of the alert, or of the series that is recorded."""
    is_alert: bool
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    hold: str
    """`for`; empty where the alert rings at once."""
    comment: str
    """What stands directly above the rule."""

    @property
    def severity(self) -> str:
        """Of an alert."""
        return self.labels.get("severity", "")

    @property
    def id(self) -> str:
        """Short and unique among alerts."""
        return f"{self.name}-{self.severity}" if self.is_alert else self.name


@dataclass(frozen=True, slots=True)
class Case:
    """What one alert is expected to do in one scene."""

    file: str
    scene: str
    """Name of the test: alert, colon, `firing`, `boundary` or `quiet`, perhaps more words."""
    alert: str
    expected: tuple[Mapping[str, Any], ...]
    """Alerts with all of their labels and annotations."""


def tree(path: Path) -> dict[str, Any]:
    """What a YAML file holds."""
    read: dict[str, Any] = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    return read


def _rules(path: Path) -> Iterator[Rule]:
    lines = path.read_text().splitlines()
    for group in tree(path)["groups"]:
        for rule in group["rules"]:
            name = rule.get("alert") or rule["record"]
            yield Rule(
                path.stem, name, "alert" in rule, rule["expr"], rule.get("labels", {}),
                rule.get("annotations", {}), rule.get("for", ""), _above(lines, name),
            )  # fmt: skip


def _above(lines: list[str], name: str) -> str:
    at = next(i for i, line in enumerate(lines) if line.strip().endswith(f": {name}"))
    said: list[str] = []
    while at and lines[at - 1].strip().startswith("#"):
        at -= 1
        said.insert(0, lines[at].strip("# "))
    return " ".join(said)


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, file by file."""
    return tuple(rule for path in RULE_FILES for rule in _rules(path))


@cache
def alerts() -> tuple[Rule, ...]:
    """Every alert; those of one name and two severities are two."""
    return tuple(rule for rule in all_rules() if rule.is_alert)


@cache
def cases() -> tuple[Case, ...]:
    """Every expectation of the unit tests."""
    return tuple(
        Case(path.stem, test.get("name", ""), wanted["alertname"], tuple(wanted["exp_alerts"]))
        for path in CASE_FILES
        for test in tree(path)["tests"]
        for wanted in test.get("alert_rule_test", ())
    )
