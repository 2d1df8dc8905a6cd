"""Why each span and log record counts, or does not: what was decided of it, as a tree.

Ids, names, reasons and numbers; never the value of an attribute.
"""

from __future__ import annotations

from .document import json_of
from .log import DecisionLog, Trace
from .records import Arrival, Charge, Explained
from .text import WIDTH, Line, lines_of, plain

__all__ = [
    "WIDTH",
    "Arrival",
    "Charge",
    "DecisionLog",
    "Explained",
    "Line",
    "Trace",
    "json_of",
    "lines_of",
    "plain",
]
