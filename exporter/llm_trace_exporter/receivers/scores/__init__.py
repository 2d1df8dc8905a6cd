"""Results of judges and ratings of users that have no OTLP carrier: JSON over HTTP."""

from __future__ import annotations

from ...score_items import InvalidItem, ScoreItem
from .native import read_feedback, read_verdicts
from .routes import ROUTES, Route, ScoresApp

__all__ = [
    "ROUTES",
    "InvalidItem",
    "Route",
    "ScoreItem",
    "ScoresApp",
    "read_feedback",
    "read_verdicts",
]
