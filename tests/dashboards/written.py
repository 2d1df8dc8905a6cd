"""The committed JSON, taken apart for tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.__main__ import FOLDER

DASHBOARDS: Mapping[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}

_INTERVALS = {"__rate_interval": "10m", "__range": "6h", "__interval": "5m"}
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel."""

    where: str
    expr: str
    is_instant: bool


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every panel but the headings, those of collapsed rows, too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def substituted(expr: str, chosen: Mapping[str, str] | None = None) -> str:
    """An expression as Grafana sends it; All for variables that are not chosen."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return (chosen or {}).get(name) or _INTERVALS.get(name, ".*")

    return _VARIABLE.sub(value, expr)


def queries() -> Iterator[Asked]:
    """Every query of every dashboard."""
    for uid, dashboard in DASHBOARDS.items():
        for panel in panels(dashboard):
            for target in panel["targets"]:
                where = f"{uid} / {panel['title']} / {target['refId']}"
                yield Asked(where, target["expr"], target["instant"])


def of_annotations() -> Iterator[Asked]:
    """The queries of annotations, once: they are the same everywhere."""
    for annotation in next(iter(DASHBOARDS.values()))["annotations"]["list"]:
        yield Asked(f"annotation / {annotation['name']}", annotation["expr"], False)


ASKED = (*queries(), *of_annotations())
