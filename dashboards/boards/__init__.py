"""The dashboards, one module a reader."""

from __future__ import annotations

from . import cost, overview, quality, reliability, slos

BOARDS = (overview.BOARD, reliability.BOARD, cost.BOARD, quality.BOARD, slos.BOARD)
