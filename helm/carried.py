"""Rules and dashboards that the chart carries: the very bytes of `alerts` and `dashboards`.

Copies, because Flux leaves symbolic links out and Windows turns them into texts.
"""

from __future__ import annotations

from pathlib import Path

from .values import CHART

ROOT = Path(__file__).parents[1]
_SOURCES = (("alerts", "*.yml"), ("dashboards", "*.json"))


def wanted() -> dict[Path, bytes]:
    """What the chart's `files` should hold, by its place there."""
    files: dict[Path, bytes] = {}
    for folder, pattern in _SOURCES:
        for path in sorted((ROOT / folder).rglob(pattern)):
            relative = path.relative_to(ROOT / folder)
            # Tests of the rules, and their like, are not for clusters.
            if relative.parent.name in {"", "json"}:
                files[CHART / "files" / folder / relative.name] = path.read_bytes()
    return files


def present() -> dict[Path, bytes]:
    """What it holds."""
    return {
        path: path.read_bytes()
        for folder, pattern in _SOURCES
        for path in sorted((CHART / "files" / folder).glob(pattern))
    }
