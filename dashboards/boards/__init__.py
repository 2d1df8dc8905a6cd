"""The dashboards, one module a reader."""

from __future__ import annotations

from . import agents, compare, cost, exporter, overview, quality, reliability, safety, slos, sources

BOARDS = (
    overview.BOARD,
    reliability.BOARD,
    cost.BOARD,
    quality.BOARD,
    slos.BOARD,
    agents.BOARD,
    safety.BOARD,
    compare.BOARD,
    sources.BOARD,
    exporter.BOARD,
)
