"""Scenes with only those rules that have a say in them: the others take most of promtool's time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.queries import parse, selectors
from tests.alerts.rules import tree


def write_pruned(scenes: Path, folder: Path) -> list[str]:
    """Write the scenes of a file anew, those about the same alerts into one file.

    A rule has a say where an expectation is about it, and where a rule that has one reads what it
    records.

    Returns: names of the files.
    """
    told = tree(scenes)
    files = [tree(scenes.parent / name) for name in told["rule_files"]]
    groups = [group for file in files for group in file["groups"]]
    by_subject: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for test in told["tests"]:
        by_subject.setdefault(tuple(sorted(_subjects(test))), []).append(test)
    written = []
    for number, (subjects, tests) in enumerate(by_subject.items()):
        kept, _ = pruned(groups, subjects)
        rule_file = folder / f"{scenes.stem}-{number}-rules.yml"
        _write(rule_file, {"groups": kept})
        changed = {
            "rule_files": [rule_file.name],
            "group_eval_order": [group["name"] for group in kept],
            "tests": tests,
        }
        file = folder / f"{scenes.stem}-{number}.yml"
        _write(file, {**told, **changed})
        written.append(file.name)
    return written


def pruned(
    groups: list[dict[str, Any]], subjects: Iterable[str]
) -> tuple[list[dict[str, Any]], set[str]]:
    """The rules that have a say in some alerts or series, and the names of all that they read."""
    wanted = set(_read(groups, [*subjects]))
    kept = [
        {**group, "rules": rules}
        for group in groups
        if (rules := [rule for rule in group["rules"] if _name(rule) in wanted])
    ]
    return kept, wanted


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))


def _subjects(test: dict[str, Any]) -> Iterator[str]:
    """Names of alerts and series that a scene has expectations of."""
    for wanted in test.get("alert_rule_test", ()):
        yield wanted["alertname"]
    for wanted in test.get("promql_expr_test", ()):
        yield from _selected(wanted["expr"])


def _read(groups: list[dict[str, Any]], subjects: list[str]) -> Iterator[str]:
    """The subjects, and all that is read on the way to them."""
    seen: set[str] = set()
    while subjects:
        if (name := subjects.pop()) not in seen:
            seen.add(name)
            yield name
            rules = (rule for group in groups for rule in group["rules"] if _name(rule) == name)
            subjects += [read for rule in rules for read in _selected(rule["expr"])]


def _selected(expr: str) -> Iterator[str]:
    """Names of the series that an expression reads."""
    for selector in selectors(parse(expr)):
        # Series that rules make without recording them, or any at all: nothing could be left out.
        assert selector.name not in ("", "ALERTS", "ALERTS_FOR_STATE"), expr
        yield selector.name


def _name(rule: dict[str, Any]) -> str:
    name: str = rule.get("alert") or rule["record"]
    return name
