"""The rules for histograms that Prometheus stores as native ones, made from those for classic ones.

Prometheus 3 makes them with `convert_classic_histograms_to_nhcb`: a histogram is then one series of
the family's own name, and `_bucket`, `_sum`, `_count` and the label `le` are gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from llm_trace_exporter.metrics.catalogue import FAMILIES

from .values import CHART

ALERTS = Path(__file__).parents[1] / "alerts"
FOLDER = ALERTS / "native"
CARRIED = CHART / "files" / "native.json"

_HEAD = "# Written by `make chart` from {name}, for histograms that are native in Prometheus.\n"
_NAMES = "|".join(family.name for family in FAMILIES if family.type == "histogram")
_RANGE = r"({[^}]*})?(\[\w+\](?: offset \w+)?)"
_PARTS = (
    (rf"(rate|increase)\(({_NAMES})_(count|sum)\b{_RANGE}\)", r"histogram_\3(\1(\2\4\5))"),
    (rf"\b({_NAMES}|llm_slo_seconds)_bucket\b", r"\1"),
    (r"(\bby \([^)]*), le\)", r"\1)"),
    (r"\bby \(le, ", "by ("),
    (r"\bsum by \(le\) \(", "sum("),
)
"""What is written otherwise, and how, one after the other."""

_BY_NAME = "sum by (environment, service, name) "
_SUM = "sum by (environment, service) "
_BY_BOUND = "sum by (environment, service, le) "
_RATE = "(rate(llm_retrieved_documents{}[15m]))"
_GROWN = "(increase(llm_retrieved_documents{}[5m]))"
_LONG = "(rate(llm_request_duration_seconds{}[30m]))"
_NONE, _BOUND = '_bucket{le=~"0|0.0"}', '_bucket{le!="+Inf"}'
_ALL, _FOUND = _SUM + _LONG.format(""), _SUM + _GROWN.format("")
_SPECIAL: Mapping[str, str] = {
    f"{_BY_NAME}{_RATE.format(_NONE)}\n            / {_BY_NAME}{_RATE.format('_count')}":
        f"histogram_fraction(-Inf, 0, {_BY_NAME}{_RATE.format('')})",
    # Of nothing the fraction is no number, which no sum over time would get rid of.
    _SUM + _GROWN.format(_NONE):
        f"histogram_fraction(-Inf, 0, {_FOUND}) * histogram_count({_FOUND}) >= 0"
        f" or histogram_count({_FOUND})",
    # The largest of all is the largest bound as soon as one call is beyond it.
    "1 - max by (environment, service) (\n"
    f"              {_BY_BOUND}{_LONG.format(_BOUND)}\n            )\n"
    f"            / on (environment, service) {_SUM}{_LONG.format('_count')}\n":
        "histogram_fraction(\n"
        f"            scalar(max(histogram_quantile(1, {_ALL}))), +Inf,\n"
        f"            {_ALL}\n          )\n",
}  # fmt: skip
"""What has a form of its own, because it looks at single buckets."""


def native(text: str) -> str:
    """A rule file's text, comments and all, with queries of native histograms."""
    for classic, own in _SPECIAL.items():
        text = text.replace(classic, own)
    for part, own in _PARTS:
        text = re.sub(part, own, text)
    return text


def wanted() -> dict[Path, str]:
    """Files of rules for native histograms, each a whole one, and what the chart carries."""
    classic = {path.name: path.read_text(encoding="utf-8") for path in sorted(ALERTS.glob("*.yml"))}
    files = {name: native(text) for name, text in classic.items()}
    changes = {
        before: after
        for name, text in classic.items()
        for before, after in zip(_texts(text), _texts(files[name]), strict=True)
        if before != after
    }
    return {
        **{FOLDER / name: _HEAD.format(name=name) + text for name, text in files.items()},
        CARRIED: json.dumps(changes, indent=1) + "\n",
    }


def _texts(rules: str) -> Iterator[str]:
    """Queries and the names of what is recorded."""
    tree: dict[str, Any] = yaml.load(rules, yaml.CSafeLoader)
    for group in tree["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
            yield rule.get("record", "")
