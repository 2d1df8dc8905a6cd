"""Results of judges and ratings of users that have no OTLP carrier: JSON over HTTP."""

from __future__ import annotations

from .items import InvalidItem, ScoreItem, as_parsed_record
from .native import read_feedback, read_verdicts
from .routes import ROUTES, Read, Route, ScoresApp

__all__ = [
    "ROUTES",
    "InvalidItem",
    "Read",
    "Route",
    "ScoreItem",
    "ScoresApp",
    "as_parsed_record",
    "read_feedback",
    "read_verdicts",
]
