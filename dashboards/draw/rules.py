"""What rules would have recorded and rung over a written history, which has seen no rule.

Prometheus evaluates rules while time passes. Over blocks that promtool wrote, the same expressions
are asked of the whole history at once, and the answers are written as blocks beside it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Ask = Callable[[str, Mapping[str, str | int]], list[Any]]
"""Path of Prometheus' API and parameters, to the `result` of its answer."""
_NAME = re.compile(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+")
_DURATION = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a file."""

    name: str
    """Of what it records; of an alert: `ALERTS`."""
    expr: str
    labels: Mapping[str, str]
    interval_s: int
    hold_s: int = 0
    """`for`."""
    keep_s: int = 0
    """`keep_firing_for`."""

    @property
    def needs(self) -> frozenset[str]:
        """What other rules record for it."""
        return frozenset(_NAME.findall(self.expr))


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when, Unix seconds."""

    start_s: int
    end_s: int


def read_rules(folder: Path) -> list[Rule]:
    """All rules of a folder."""
    return [
        _rule(told, seconds(group.get("interval", "1m")))
        for path in sorted(folder.glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for told in group["rules"]
    ]


def _rule(told: Mapping[str, Any], interval_s: int) -> Rule:
    labels = dict(told.get("labels", {}))
    if "record" in told:
        return Rule(told["record"], told["expr"], labels, interval_s)
    labels |= {"alertname": told["alert"], "alertstate": "firing"}
    hold_s, keep_s = seconds(told.get("for", "0s")), seconds(told.get("keep_firing_for", "0s"))
    return Rule("ALERTS", told["expr"], labels, interval_s, hold_s, keep_s)


def seconds(written: str) -> int:
    """Of a duration of Prometheus, such as `1h30m`."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(written))


def needed(rules: Iterable[Rule], names: Iterable[str]) -> list[Rule]:
    """The rules that record some names, and those that these need."""
    every = list(rules)
    wanted = set(names)
    while more := {n for r in every if r.name in wanted for n in r.needs} - wanted:
        wanted |= more
    return [rule for rule in every if rule.name in wanted]


def levels(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Rules that only need what earlier levels have recorded."""
    left = list(rules)
    while left:
        waiting = {rule.name for rule in left}
        # What is made of several rules is there when the last of them is.
        ready = [rule for rule in left if not (rule.needs - {rule.name}) & waiting]
        if not ready:
            raise ValueError(f"rules that need each other: {sorted(waiting)}")
        yield ready
        left = [rule for rule in left if rule not in ready]


def lines(ask: Ask, rules: Iterable[Rule], window: Window) -> Iterator[str]:
    """OpenMetrics of what rules give in a time."""
    for rule in rules:
        start_s = window.start_s // rule.interval_s * rule.interval_s
        asked: dict[str, str | int] = {
            "query": rule.expr, "start": start_s, "end": window.end_s, "step": rule.interval_s,
        }  # fmt: skip
        for series in ask("query_range", asked):
            labels = {**series["metric"], **rule.labels}
            labels.pop("__name__", None)
            inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
            for at_s, value in _shown(rule, series["values"]):
                yield f"{rule.name}{{{inside}}} {value} {at_s}\n"


def _shown(rule: Rule, values: Sequence[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    return _firing(rule, [at_s for at_s, _ in values]) if rule.name == "ALERTS" else iter(values)


def _firing(rule: Rule, times: Sequence[float]) -> Iterator[tuple[float, str]]:
    """When an alert fires whose expression has a value at some times."""
    since_s = last_s = float("-inf")
    until_s = float("-inf")
    for at_s in times:
        if at_s - last_s > rule.interval_s:
            while last_s < min(until_s, at_s) - rule.interval_s:
                last_s += rule.interval_s
                yield last_s, "1"
            if at_s - last_s > rule.interval_s:
                since_s, until_s = at_s, float("-inf")
        last_s = at_s
        if at_s - since_s >= rule.hold_s:
            until_s = at_s + rule.keep_s
            yield at_s, "1"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write_blocks(file: Path, blocks: Path) -> None:
    """Add an OpenMetrics file to a Prometheus' data, and remove it."""
    if file.read_text().strip() != "# EOF":
        promtool = shutil.which("promtool") or "promtool"
        subprocess.run(
            [promtool, "tsdb", "create-blocks-from", "openmetrics", "-q",
             "--max-block-duration=720h", str(file), str(blocks)],
            check=True, capture_output=True,
        )  # fmt: skip
    file.unlink()
