"""Results of judges and ratings of users that have no OTLP carrier: JSON over HTTP."""

from __future__ import annotations

from .items import Told, Unusable, as_reading
from .native import read_feedback, read_verdicts
from .routes import ROUTES, Read, Route, ScoresApp

__all__ = [
    "ROUTES",
    "Read",
    "Route",
    "ScoresApp",
    "Told",
    "Unusable",
    "as_reading",
    "read_feedback",
    "read_verdicts",
]
