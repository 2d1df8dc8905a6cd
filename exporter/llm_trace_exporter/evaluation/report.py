"""What an offline run says: tables for people, JSON lines and a configuration for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.table import Table

from ..judge.runner import labels_of
from ..model import RunOutcome
from .run import Result
from .statistics import Interval, agreement, correlation, share

_BAD_OUTCOMES: tuple[RunOutcome, ...] = ("error", "timeout", "unparseable")


def failure_ratios(results: Iterable[Result]) -> dict[str, Interval]:
    """Rule to fail / (pass + fail), for the rules that have an answer."""
    answers: dict[str, list[bool]] = {}
    for result in results:
        if result.is_pass is not None:
            answers.setdefault(result.rule.name, []).append(result.is_pass)
    return {name: share(passed.count(False), len(passed)) for name, passed in answers.items()}


def verdict_table(results: Sequence[Result], by: str, dimensions: tuple[str, ...]) -> Table:
    """A row for each rule, or for each rule and value of a label."""
    table = Table(title="verdicts", title_justify="left")
    table.add_column("rule")
    if by:
        table.add_column(by)
    for name in ("pass", "fail", "error", "no text", "skipped"):
        table.add_column(name, justify="right")
    table.add_column("failure ratio", justify="right")
    table.add_column("95 % confidence", justify="right")
    table.add_column("US dollars", justify="right")

    def key(result: Result) -> tuple[str, str]:
        value = labels_of(result.case.call, dimensions).get(by, "") if by else ""
        return result.rule.name, value

    for (name, value), group in groupby(sorted(results, key=key), key):
        table.add_row(name, *([value or "-"] if by else []), *_counts(list(group)))
    return table


def _counts(results: Sequence[Result]) -> list[str]:
    ends = Counter(result.run.outcome for result in results)
    passed = sum(result.is_pass is True for result in results)
    failed = sum(result.is_pass is False for result in results)
    ratio = share(failed, passed + failed)
    errors = sum(ends[outcome] for outcome in _BAD_OUTCOMES)
    runs = [run for r in results for run in (r.run, r.turned) if run is not None]
    costs = [run.cost_usd for run in runs if run.outcome in ("ok", "unparseable")]
    known = sum(usd for usd in costs if usd is not None)
    cost = "unknown" if None in costs else f"{known:.4f}"
    numbers = (passed, failed, errors, ends["no_text"], ends["skipped"])
    return [*map(str, numbers), _percent(ratio.value), _range(ratio), cost]


def calibration_table(pairs: Sequence[tuple[Result, bool]]) -> Table:
    """The judge beside humans, a row for each rule."""
    table = Table(title="judge and humans", title_justify="left")
    table.add_column("rule")
    for name in (
        "subjects", "agreement", "95 % confidence", "Cohen's kappa", "95 % confidence",
        "false pass", "false fail", "turned by order", "length, judge", "length, humans",
    ):  # fmt: skip
        table.add_column(name, justify="right")

    def name_of(pair: tuple[Result, bool]) -> str:
        return pair[0].rule.name

    for name, group in groupby(sorted(pairs, key=name_of), name_of):
        rows = list(group)
        judged = [(result.is_pass is True, human) for result, human in rows]
        found = agreement(judged)
        lengths = [len(result.case.exchange.answer) for result, _ in rows]
        kappa = found.kappa
        table.add_row(
            name,
            str(found.total),
            _percent(found.agreement.value),
            _range(found.agreement),
            _number(kappa.value),
            f"{_number(kappa.low)} to {_number(kappa.high)}",
            _percent(found.false_pass_rate.value),
            _percent(found.false_fail_rate.value),
            _percent(turned([result for result, _ in rows]).value),
            _number(correlation(lengths, [judge for judge, _ in judged])),
            _number(correlation(lengths, [human for _, human in judged])),
        )
    return table


def turned(results: Iterable[Result]) -> Interval:
    """Share of verdicts that change when the material comes in reverse order."""
    both = [r for r in results if r.turned is not None and r.turned.is_pass is not None]
    return share(sum(r.turned.is_pass != r.is_pass for r in both if r.turned), len(both))


def verdict_lines(results: Iterable[Result], dimensions: tuple[str, ...], *, with_evidence: bool
                  ) -> Iterable[str]:  # fmt: skip
    """One JSON object for each run; evidence quotes what was said, so only where asked for."""
    for result in results:
        trace_id, span_id = result.case.subject
        line: dict[str, object] = {
            "trace_id": trace_id,
            "span_id": span_id,
            "judge": result.rule.name,
            "kind": "llm",
            "verdict": result.run.verdict,
            "outcome": result.run.outcome,
            "seconds": round(result.run.seconds, 3),
            "cost_usd": result.run.cost_usd,
            "labels": {k: v for k, v in labels_of(result.case.call, dimensions).items() if v},
        }
        if result.run.reason:
            line["reason"] = result.run.reason
        if with_evidence and result.run.evidence:
            line["evidence"] = result.run.evidence
        yield json.dumps(line, ensure_ascii=False) + "\n"


def baseline_config(ratios: dict[str, Interval]) -> str:
    """The ratios that production is held to, as a part of a configuration."""
    lines = ["judges:", "  by_name:"]
    for name, ratio in sorted(ratios.items()):
        lines += [f"    {name}:", f"      baseline_failure_ratio: {ratio.value or 0:.6g}"]
    return "\n".join(lines) + "\n" if ratios else "judges: {}\n"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _range(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return "-"
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"
