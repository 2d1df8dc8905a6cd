"""Facts that nobody asked for: all is well, but for what a test says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llm_trace_exporter.doctor.facts import Facts, Sample, Target

NOW_S = 1_800_000_000.0
SOURCE = {"job": "llm", "instance": "exporter-0:9891"}
BUILD = Sample({**SOURCE, "version": "0.1.0"}, 1.0)
TARGET = Target(
    pool="llm",
    labels=SOURCE,
    discovered={"__address__": "exporter-0:9891"},
    url="http://exporter-0:9891/metrics",
    health="up",
    duration_s=0.1,
    interval_s=30.0,
    timeout_s=10.0,
)
_WELL = Facts(
    url="http://localhost:9090",
    product="Prometheus",
    version="2.53.0",
    now_s=NOW_S,
    ahead_s=0.0,
    flags={"enable-feature": "exemplar-storage"},
    config={"scrape_configs": [{"job_name": "llm"}]},
    targets=(TARGET,),
    dropped=(),
    groups=(),
    alertmanagers=1,
    names=frozenset(),
    label_names=frozenset({"job", "instance", "service"}),
    figures={"exporters": (BUILD,)},
    exemplars=(),
    counts={},
    shipped=(),
    panels=(),
)


def facts(figures: Mapping[str, tuple[Sample, ...]] | None = None, **changes: Any) -> Facts:
    """A healthy set-up with other values; `figures` come beside those of the one exporter."""
    told = {**_WELL.figures, **(figures or {})}
    return replace(_WELL, figures=told, **changes)
