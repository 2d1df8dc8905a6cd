"""Checks of rules and panels: loaded, evaluated, and with something to look at."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from ..config.units import format_duration
from .facts import Facts, Group, Missing, Rule
from .findings import Finding, count, ok
from .shapes import seconds
from .why import Kind, Reason, of_needs

_INTERVALS_BEHIND = 3
_GRACE_S = 30.0
_PAST = (
    ("day_ago", "yesterday", re.compile(r"offset 1d"), 1),
    ("week_ago", "last week", re.compile(r"offset 1w|\[1w"), 7),
)
"""Question, what it is about, how rules say so, days."""
_LEVELS = {"broken": "problem", "sleeps": "note", "unknown": "note"}


def loaded(facts: Facts) -> Iterator[Finding]:
    """Whether the rules are there, all of them, once."""
    if isinstance(facts.groups, Missing):
        yield Finding(
            "note",
            f"rules are not available here: {facts.groups.reason}",
            do="ask the server that evaluates them: Prometheus, Mimir, vmalert, a ruler",
        )
        return
    rules = [rule for group in facts.groups for rule in group.rules]
    if not rules:
        yield _none(facts)
        return
    names = {(rule.name, rule.is_alert) for rule in rules}
    lacking = [r for r in facts.shipped if (r.name, r.is_alert) not in names]
    alerts = sum(rule.is_alert for rule in rules)
    recordings = count(len(rules) - alerts, "recording")
    yield ok(f"{count(len(rules), 'rule')} loaded: {count(alerts, 'alert')}, {recordings}")
    for is_alert, group in groupby(sorted(lacking, key=lambda r: r.is_alert), lambda r: r.is_alert):
        yield _lacking(is_alert, list(group), rules)
    yield from _twice(facts.groups)


def _none(facts: Facts) -> Finding:
    recorded = (
        {name for name in facts.names if ":" in name}
        if not isinstance(facts.names, Missing)
        else set()
    )
    if recorded:
        return Finding(
            "note",
            "the rules are evaluated elsewhere: their results are here",
            do="ask the server that evaluates them for their health",
        )
    is_prometheus = facts.product == "Prometheus"
    return Finding(
        "problem" if is_prometheus else "warning",
        "none of the exporter's rules is loaded",
        why="no alert can fire"
        + ("" if is_prometheus else ", unless another server evaluates them"),
        do="load alerts/*.yml as rule_files, or set prometheusRule.enabled=true with the labels "
        "that your Prometheus selects rules by (docs/alerts.md)",
    )


def _lacking(is_alert: bool, rules: list[Rule], loaded_rules: list[Rule]) -> Finding:
    files = _files(rules)
    names = tuple(dict.fromkeys(rule.name for rule in rules))
    used = {selector.name for rule in loaded_rules for selector in rule.selectors}
    needed = tuple(name for name in names if name in used)
    if needed and not is_alert:
        dead = sum(any(s.name in needed for s in rule.selectors) for rule in loaded_rules)
        return Finding(
            "problem",
            f"{count(len(needed), 'recording')} missing that {count(dead, 'loaded rule')} need",
            why="what compares with a series that is not recorded never fires",
            do=f"load {_files(rule for rule in rules if rule.name in needed)}, too",
            where=needed,
        )
    kind = "alert" if is_alert else "recording"
    return Finding(
        "note",
        f"{count(len(names), kind)} of this version not loaded",
        why="left out on purpose, or the rules are of another version",
        do=f"load {files} of this version where you want them",
        where=names,
    )


def _files(rules: Iterable[Rule]) -> str:
    return ", ".join(sorted({rule.file for rule in rules}))


def _twice(groups: Iterable[Group]) -> Iterator[Finding]:
    """The same rule in two places, which rings twice."""
    places: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for group in groups:
        for rule in group.rules:
            labels = ",".join(f"{k}={v}" for k, v in sorted(rule.labels.items()))
            places[rule.name, rule.expr, labels].append(f"{group.file} ({group.name})")
    twice = {key[0]: found for key, found in places.items() if len(found) > 1}
    if twice:
        where = tuple(sorted({place for found in twice.values() for place in found}))
        yield Finding(
            "warning",
            f"{count(len(twice), 'rule')} loaded twice",
            why="every alert of theirs rings twice",
            do="load them from one place",
            where=where,
        )


def healthy(facts: Facts) -> Iterator[Finding]:
    """Whether evaluation works and keeps up."""
    if isinstance(facts.groups, Missing) or not facts.groups:
        return
    rules = [rule for group in facts.groups for rule in group.rules]
    failing = [rule for rule in rules if rule.health == "err"]
    for rule in failing:
        yield Finding(
            "problem",
            f"{rule.title} fails: {rule.error}",
            do="correct the rule, or the labels that it joins on",
            where=(f"{rule.file} ({rule.group})",),
        )
    unknown = [rule for rule in rules if rule.health == "unknown"]
    if unknown:
        yield Finding(
            "note", f"{count(len(unknown), 'rule')} not evaluated yet", do="ask again in a minute"
        )
    slow = [g for g in facts.groups if g.interval_s and g.evaluation_s > g.interval_s]
    for group in slow:
        yield Finding(
            "warning",
            f"the group {group.name} takes {group.evaluation_s:.1f}s, and has "
            f"{format_duration(group.interval_s)}",
            why="evaluations are skipped, and `for` counts on",
            do="give labels less values, or the group a longer interval",
            where=(group.file,),
        )
    for group in facts.groups:
        behind_s = facts.now_s - group.evaluated_s
        if (
            group.evaluated_s
            and group.interval_s
            and (behind_s > _INTERVALS_BEHIND * group.interval_s + _GRACE_S)
        ):
            yield Finding(
                "problem",
                f"the group {group.name} was last evaluated {format_duration(round(behind_s))} ago",
                why=f"its interval is {format_duration(group.interval_s)}",
                do="look at the server's log and load",
                where=(group.file,),
            )
    if not failing and not slow and not unknown:
        yield ok(f"all {len(rules)} rules are evaluated without an error")


def reach(facts: Facts) -> Iterator[Finding]:
    """Whether somebody hears the alerts."""
    if isinstance(facts.groups, Missing) or not facts.groups:
        return
    number = facts.alertmanagers
    if isinstance(number, Missing):
        yield Finding("note", f"Alertmanagers are not available here: {number.reason}")
    elif number:
        yield ok(f"alerts go to {count(number, 'Alertmanager')}")
    else:
        yield Finding(
            "warning",
            "alerts go nowhere: this server knows no Alertmanager",
            do="add one to alerting.alertmanagers of its configuration",
        )


def alive(facts: Facts) -> Iterator[Finding]:
    """Whether each rule has series to look at."""
    if isinstance(facts.groups, Missing) or not facts.groups or not facts.exporters:
        return
    rules = [rule for group in facts.groups for rule in group.rules]
    found = [(rule.title, of_needs([rule.need], facts)) for rule in rules if rule.health != "err"]
    yield from _findings(found, "rule")


def history(facts: Facts) -> Iterator[Finding]:
    """Whether there is a yesterday and a last week to compare with."""
    if isinstance(facts.groups, Missing) or not facts.exporters:
        return
    rules = [rule for group in facts.groups for rule in group.rules if rule.is_alert]
    for question, word, unit, days in _PAST:
        waiting = [rule.title for rule in rules if unit.search(rule.expr)]
        if not waiting or facts.asked(question):
            continue
        kept_s = 0.0 if isinstance(facts.flags, Missing) else _retention_s(facts.flags)
        is_short = 0 < kept_s < days * 86_400
        yield Finding(
            "warning" if is_short else "note",
            f"{count(len(waiting), 'alert')} compare{'s' * (len(waiting) == 1)} with {word}, of "
            "which there is nothing",
            why=f"samples are kept for {format_duration(kept_s)}" if is_short else
            "the exporter was not scraped then",
            do="raise --storage.tsdb.retention.time" if is_short else "",
            where=tuple(waiting),
        )  # fmt: skip


def _retention_s(flags: Mapping[str, str]) -> float:
    return seconds(flags.get("storage.tsdb.retention.time", ""))


def panels(facts: Facts) -> Iterator[Finding]:
    """Whether each panel has series to show."""
    if not facts.panels or not facts.exporters:
        return
    found = [
        (f"{panel.dashboard}: {panel.title}", of_needs(panel.needs, facts))
        for panel in facts.panels
    ]
    yield from _findings(found, "panel")


def _findings(found: list[tuple[str, Reason]], noun: str) -> Iterator[Finding]:
    """One line for what works, and one for each reason."""
    kinds: Counter[Kind] = Counter(why.kind for _, why in found)
    alive = kinds["alive"]
    text = f"{alive} of {len(found)} {noun}s have all the series that they ask for"
    yield ok(f"{text}; {kinds['quiet']} wait for what has not happened" if kinds["quiet"] else text)
    by_reason: dict[Reason, list[str]] = defaultdict(list)
    for title, why in found:
        if why.kind in _LEVELS:
            by_reason[why].append(title)
    for why, titles in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        number = len(titles)
        state = {"broken": "cannot work", "sleeps": "sleep", "unknown": "cannot be judged"}
        verb = state[why.kind] + ("s" * (number == 1 and why.kind == "sleeps"))
        yield Finding(
            "problem" if why.kind == "broken" else "note",
            f"{count(number, noun)} {verb}: {why.text}",
            do=why.do,
            where=tuple(dict.fromkeys(titles)),
        )
