"""PromQL texts made from the metric catalogue.

A selector matches every variable of the dashboards that its family has a label for, so a panel
cannot forget one, and a family or label that does not exist stops the build.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.metrics.family import Family

DIMENSIONS = ("feature", "team", "prompt_name", "prompt_version")
"""The labels that the exporter's default configuration adds."""

VARIABLE_OF: Mapping[str, str] = {
    "environment": "environment",
    "service": "service",
    "provider": "provider",
    "model": "model",
    "feature": "feature",
    "team": "team",
    "prompt_name": "prompt",
    "judge": "judge",
}
"""Label -> the variable that chooses among its values."""

RATE = "$__rate_interval"
RANGE = "$__range"
NOW = "10m"
"""What is now: long enough for a number, short enough to be over when trouble is over."""
LINES = 15
"""What can be told apart in one panel."""
NOT_JUDGES = 'purpose=""'
"""Calls of the applications, not those that judges make."""

FAMILY_OF: Mapping[str, Family] = {
    sample: family for family in FAMILIES for sample in family.sample_names
}
"""Sample name -> its family."""


def labels_of(family: Family) -> frozenset[str]:
    """Every label that its samples can have in Prometheus, by the default configuration."""
    own = {*family.labels, "job", "instance"}
    if family.type == "histogram":
        own.add("le")
    return frozenset(own | set(DIMENSIONS) if family.with_dimensions else own)


def select(name: str, *matchers: str) -> str:
    """A selector of a sample name: the variables, then matchers such as `outcome="ok"`.

    Raises: KeyError for a name or label that the catalogue does not have.
    """
    labels = labels_of(FAMILY_OF[name])
    for matcher in matchers:
        if (label := re.split(r"[=!]", matcher)[0]) not in labels:
            raise KeyError(f"{name} has no label {label}")
    chosen = [f'{la}=~"${v}"' for la, v in VARIABLE_OF.items() if la in labels]
    if FAMILY_OF[name].section == "Exporter":
        chosen.append('instance=~"$instance"')
    inside = ",".join((*chosen, *matchers))
    return f"{name}{{{inside}}}" if inside else name


SLO_PART = "service:llm_slo_part:increase5m"
SLO_WHOLE = "service:llm_slo_whole:increase5m"
SLO_SECONDS = "service:llm_slo_seconds_bucket:increase5m"
SLO_TARGET = "service:llm_slo_target:effective"

_OF_SERVICE = frozenset({"environment", "service"})
RECORDED: Mapping[str, frozenset[str]] = {
    SLO_PART: _OF_SERVICE | {"slo"},
    SLO_WHOLE: _OF_SERVICE | {"slo"},
    SLO_SECONDS: _OF_SERVICE | {"slo", "le"},
    SLO_TARGET: _OF_SERVICE | {"slo"},
    "service:llm_request_errors:ratio_rate1h": _OF_SERVICE,
    "service:llm_request_errors:ratio_rate6h": _OF_SERVICE,
}
"""What the rules in `alerts` record and panels read: name -> labels."""


def recorded(name: str, *matchers: str) -> str:
    """A selector of what a rule records; those that panels read are by environment and service.

    Raises: KeyError for a name that panels are not known to read.
    """
    chosen = [f'{la}=~"${v}"' for la, v in VARIABLE_OF.items() if la in RECORDED[name]]
    chosen += matchers
    return f"{name}{{{','.join(chosen)}}}"


def rate(name: str, *matchers: str, by: str = "", window: str = RATE) -> str:
    """Increase per second of a counter."""
    return _over("rate", name, matchers, by, window)


def increase(name: str, *matchers: str, by: str = "", window: str = RANGE) -> str:
    """Increase of a counter."""
    return _over("increase", name, matchers, by, window)


def _over(function: str, name: str, matchers: tuple[str, ...], by: str, window: str) -> str:
    return summed(f"{function}({select(name, *matchers)}[{window}])", by)


def summed(vector: str, by: str = "", operator: str = "sum") -> str:
    """An aggregation; `by` are labels with commas between them."""
    return f"{operator} by ({by}) ({vector})" if by else f"{operator}({vector})"


def ratio(part: str, whole: str) -> str:
    """A share that is 0, not absent, where there is a whole and no part of it."""
    return f"({part} or 0 * {whole}) / {whole}"


def mean(histogram: str, *matchers: str, by: str = "", window: str = RATE) -> str:
    """Sum over count of a histogram."""
    return (
        f"{rate(f'{histogram}_sum', *matchers, by=by, window=window)} / "
        f"{rate(f'{histogram}_count', *matchers, by=by, window=window)}"
    )


def quantile(q: float, histogram: str, *matchers: str, by: str = "", window: str = RATE) -> str:
    """A quantile over all series together, never a mean of quantiles."""
    labels = f"le, {by}" if by else "le"
    buckets = rate(f"{histogram}_bucket", *matchers, by=labels, window=window)
    return f"histogram_quantile({q}, {buckets})"


_AIMED = ("environment", "provider", "model", "operation", "judge", "tool", *DIMENSIONS)


def default_target(slo: str) -> str:
    """What is aimed at where nothing else is said."""
    rest = ",".join(f'{label}=""' for label in ("service", *_AIMED))
    return f'max(llm_slo_target{{slo="{slo}",{rest}}})'


def target_lines(slo: str) -> str:
    """What is aimed at: the default, and targets that have a service."""
    return (
        f"topk({LINES}, "
        "max by (service, environment, provider, model, operation, judge, tool) "
        f'(llm_slo_target{{slo="{slo}",service=~"$service|",environment=~"$environment|",'
        'provider=~"$provider|",model=~"$model|",judge=~"$judge|"}))'
    )


TARGET_LEGEND = "target {{service}} {{environment}} {{model}} {{operation}} {{judge}} {{tool}}"


def _over_all(expr: str) -> str:
    return expr.replace(f"[{RATE}]", f"[{RANGE}]").replace(f"[{RANGE}]", f"[{RANGE}] @ end()")


def top(expr: str, by: str, rank: str = "", most: int = LINES) -> str:
    """The series of a query over time whose `rank` is highest over all of the time shown.

    Args:
        expr: By the labels `by`.
        rank: By the same labels; the same expression where it is not given.
    """
    over_all = _over_all(rank or expr)
    return f"{expr} and on ({by}) topk({most}, {over_all})"


def top_and_rest(expr: str, by: str, most: int = LINES) -> str:
    """The largest of a sum over all of the time shown, and the rest as one that is `other`."""
    largest = f"topk({most}, {_over_all(expr)})"
    rest = f"sum({expr} unless on ({by}) {largest})"
    for label in by.split(", "):
        rest = f'label_replace({rest}, "{label}", "other", "", "")'
    return f"({expr} and on ({by}) {largest}) or {rest}"


def named(expr: str, *labels: str) -> str:
    """Series whose label is absent say so: a legend without a word cannot be read."""
    for label in labels:
        expr = f'label_replace({expr}, "{label}", "(no {label})", "{label}", "")'
    return expr


_NAMES = re.compile(r"[a-zA-Z_:][\w:]*")


def why_absent(*exprs: str) -> str:
    """Why queries find nothing, by what the catalogue says of their metrics."""
    names = list(dict.fromkeys(n for expr in exprs for n in _NAMES.findall(expr)))
    if any(name in RECORDED for name in names):
        return "nothing yet: load the rules in `alerts` (docs/alerts.md), and send calls"
    reasons = [FAMILY_OF[name].absent_when for name in names if name in FAMILY_OF]
    said = next((reason for reason in reasons if reason), "")
    return said or "nothing of the kind in the time shown"
