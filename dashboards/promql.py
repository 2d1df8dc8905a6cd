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


def target_lines(slo: str) -> str:
    """What is aimed at: the default, and every target that has a service."""
    return (
        "max by (service, environment, provider, model, operation, judge, tool) "
        f'(llm_slo_target{{slo="{slo}",service=~"$service|",environment=~"$environment|",'
        'provider=~"$provider|",model=~"$model|",judge=~"$judge|"})'
    )


TARGET_LEGEND = "target {{service}} {{environment}} {{model}} {{operation}} {{judge}} {{tool}}"


def target_of_services(slo: str, present: str) -> str:
    """The target of each service: its own, else the default. `present` is by service."""
    rest = ",".join(f'{label}=""' for label in _AIMED)
    own = f'max by (service) (llm_slo_target{{slo="{slo}",service!="",{rest}}})'
    default = f'scalar(max(llm_slo_target{{slo="{slo}",service="",{rest}}}))'
    return f"(({own} and on (service) {present}) or on (service) (0 * {present} + {default}))"
