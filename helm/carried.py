"""Rules and dashboards that the chart carries: the very bytes of `alerts` and `dashboards`.

Copies, because Flux leaves symbolic links out and Windows turns them into texts.
"""

from __future__ import annotations

from pathlib import Path

from .values import CHART

ROOT = Path(__file__).parents[1]
_SOURCES = (
    ("alerts", "alerts", "*.yml"),
    ("alertmanager", "alerts/alertmanager", "alertmanager.yml"),
    ("dashboards", "dashboards/json", "*.json"),
)


def wanted() -> dict[Path, bytes]:
    """What the chart's `files` should hold, by its place there."""
    return {
        CHART / "files" / kind / path.name: path.read_bytes()
        for kind, folder, pattern in _SOURCES
        for path in sorted((ROOT / folder).glob(pattern))
    }


def sources() -> list[Path]:
    """The files that are copied."""
    return [path for _, folder, pattern in _SOURCES for path in (ROOT / folder).glob(pattern)]


def present() -> dict[Path, bytes]:
    """What it holds."""
    return {
        path: path.read_bytes()
        for kind, _, pattern in _SOURCES
        for path in sorted((CHART / "files" / kind).glob(pattern))
    }
