"""Why a selector selects nothing.

It is *broken* (a wrong name, a family that never arrives, a rule that is not loaded), a part of
the product *sleeps* (no judge, no budget: nobody asked for it), or all is *quiet* (no error yet).
Only the first is trouble.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..metrics.catalogue import FAMILIES
from ..metrics.family import Family
from .facts import Facts, Missing
from .histograms import KEEP
from .promql import Matcher, Need, Selector, selectors
from .questions import OUR_NAME

Kind = Literal["alive", "quiet", "sleeps", "broken", "unknown"]
KINDS: tuple[Kind, ...] = ("alive", "quiet", "sleeps", "unknown", "broken")
"""The least first."""

FAMILY_OF: Mapping[str, Family] = {name: f for f in FAMILIES for name in f.sample_names}
_OTHERS = re.compile(r"ALERTS(_FOR_STATE)?|up|scrape_\w+|process_\w+|python_\w+|count:up\w*")
"""Metrics that rules and panels use and that are not the exporter's own."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, and what to do about it."""

    kind: Kind
    text: str = ""
    do: str = ""


ALIVE = Reason("alive")
_ALWAYS = frozenset({"llm_requests_total", "llm_request_duration_seconds", "llm_tokens_total"})


def reason(selector: Selector, facts: Facts, seen: frozenset[str] = frozenset()) -> Reason:
    """Why a selector selects nothing now.

    Args:
        selector: Of a rule or panel.
        facts: With the counts of it, its name and each of its conditions.
        seen: Recorded names that led here, so that rules in a ring end.
    """
    count = facts.counts.get(selector)
    if count is None:
        return Reason("unknown", "the server would not count its series")
    if count or not selector.name or _OTHERS.fullmatch(selector.name):
        return ALIVE
    if facts.counts.get(Selector(selector.name)):
        return _unmatched(selector, facts)
    if not OUR_NAME.fullmatch(selector.name):
        return Reason("sleeps", f"no series of {selector.name}, which is not the exporter's")
    if ":" in selector.name:
        return _recorded(selector.name, facts, seen)
    family = FAMILY_OF.get(selector.name)
    if family is None:
        return Reason(
            "broken",
            f"there is no metric {selector.name} in this version of the exporter",
            "load the rules and dashboards that belong to the exporter's version",
        )
    return _absent(selector.name, family, facts)


def _absent(name: str, family: Family, facts: Facts) -> Reason:
    """Of a family without any series."""
    if dropper := next(_droppers(name, facts), None):
        pool, rule = dropper
        return Reason(
            "broken",
            f"metric_relabel_configs of the scrape job {pool} drop {name}",
            f"take the rule away that {rule}",
        )
    if facts.page is not None and name in facts.page.names:
        return Reason(
            "broken",
            f"the exporter shows {name}, and it does not arrive",
            "look at metric_relabel_configs, write_relabel_configs and limits of the scrape",
        )
    if facts.asked("native") and name != family.name and _holds(family.name, facts):
        return Reason("broken", "histograms arrive as native ones, without buckets", KEEP)
    if family.absent_when:
        return Reason("sleeps", family.absent_when)
    if family.name in _ALWAYS:
        return Reason("sleeps", "no call was counted yet")
    return Reason("quiet", "nothing of the kind has happened")


def _holds(name: str, facts: Facts) -> bool:
    return not isinstance(facts.names, Missing) and name in facts.names


def _recorded(name: str, facts: Facts, seen: frozenset[str]) -> Reason:
    """Of a series that a rule records."""
    if isinstance(facts.groups, Missing):
        return Reason("unknown", f"{name} is not recorded, and the server tells no rules")
    makers = [rule for group in facts.groups for rule in group.rules
              if rule.name == name and not rule.is_alert]  # fmt: skip
    if not makers:
        file = next((rule.file for rule in facts.shipped if rule.name == name), "")
        return Reason(
            "broken",
            f"recordings of {file} are missing" if file else f"no loaded rule records {name}",
            f"load {file}, too" if file else "load the rule file that records it",
        )
    if any(rule.health == "err" for rule in makers):
        return Reason("broken", f"the rule that records {name} fails", "correct it first")
    if name in seen:
        return ALIVE
    silent = Reason("quiet", "its recording rule has no result yet")
    return of_needs([rule.need for rule in makers], facts, silent, seen | {name})


def of_needs(
    needed: Iterable[Need], facts: Facts, otherwise: Reason = ALIVE,
    seen: frozenset[str] = frozenset(),
) -> Reason:  # fmt: skip
    """Why something lacks what it needs; `otherwise` where it lacks nothing.

    What is broken is told even where another series stands in for it.
    """
    needed = tuple(needed)
    reasons = {s: reason(s, facts, seen) for s in selectors(*needed)}
    if broken := [why for why in reasons.values() if why.kind == "broken"]:
        return broken[0]
    found = _worst(_best(need, reasons) for need in needed)
    return otherwise if found.kind == "alive" else found


def _best(need: Need, reasons: Mapping[Selector, Reason]) -> Reason:
    """Of alternatives, the one that lacks the least."""
    found = (
        _worst(reasons[i] if isinstance(i, Selector) else _best(i, reasons) for i in together)
        for together in need
    )
    return min(found, key=_rank, default=ALIVE)


def _worst(reasons: Iterable[Reason]) -> Reason:
    return max(reasons, key=_rank, default=ALIVE)


def _rank(why: Reason) -> int:
    return KINDS.index(why.kind)


def _unmatched(selector: Selector, facts: Facts) -> Reason:
    """Of a name that has series, of which the conditions leave none."""
    guilty = [m for m in selector.matchers
              if facts.counts.get(Selector(selector.name, (m,))) == 0]  # fmt: skip
    for matcher in guilty:
        if found := _of_condition(selector, matcher, facts):
            return found
    if "llm_slo_target" in selector.name:
        return _no_target(guilty)
    return Reason("quiet", "nothing of the kind has happened")


def _of_condition(selector: Selector, matcher: Matcher, facts: Facts) -> Reason | None:
    """A condition that no series meets and that is a fault rather than a matter of time."""
    label, names = matcher.label, facts.label_names
    family = FAMILY_OF.get(selector.name)
    if isinstance(names, Missing) or matcher.takes_absent or family is None:
        return None
    if f"exported_{label}" in names and label in family.labels:
        return Reason(
            "broken",
            f"the scrape took the label {label} for itself: ours is exported_{label}",
            "set honor_labels: true for the job (honorLabels of a ServiceMonitor)",
        )
    known = {*family.labels, "job", "instance", "le"}
    if label not in known and not family.with_dimensions and label not in names:
        return Reason("broken", f"{selector.name} has no label {label}")
    return None


def _no_target(guilty: list[Matcher]) -> Reason:
    for matcher in guilty:
        if matcher.label == "slo" and matcher.operator == "=":
            return Reason("sleeps", f"no target {matcher.value} is configured (`slos`)")
    return Reason("quiet", "no target with these labels is configured (`slos`)")


def _droppers(name: str, facts: Facts) -> Iterator[tuple[str, str]]:
    """Jobs of exporters whose relabelling drops a metric, and what does it there."""
    jobs = exporter_jobs(facts)
    for job in jobs:
        for step in _steps(job):
            sources = step.get("source_labels") or []
            if sources != ["__name__"]:
                continue
            matches = _fits(str(step.get("regex", "(.*)")), name)
            action = str(step.get("action", "replace")).lower()
            if (action, matches) in {("drop", True), ("keep", False)}:
                verb = "drops" if action == "drop" else "keeps only"
                yield str(job.get("job_name", "")), f"{verb} {step.get('regex')}"


def exporter_jobs(facts: Facts) -> list[Mapping[str, Any]]:
    """The scrape configurations that exporters come from; none where that cannot be known."""
    if isinstance(facts.config, Missing) or isinstance(facts.targets, Missing):
        return []
    sources = {sample.source for sample in facts.exporters}
    pools = {target.pool for target in facts.targets if target.source in sources}
    jobs = facts.config.get("scrape_configs")
    return [
        job
        for job in (jobs if isinstance(jobs, list) else [])
        if isinstance(job, dict) and job.get("job_name") in pools
    ]


def _steps(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    steps = job.get("metric_relabel_configs")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _fits(regex: str, text: str) -> bool:
    try:
        return re.fullmatch(regex, text) is not None
    except re.error:
        return False
