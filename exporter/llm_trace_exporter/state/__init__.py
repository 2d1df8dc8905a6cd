"""What must survive a restart: a journal of requests and checkpoints of the series."""

from __future__ import annotations

from .file import SavedSeries, State
from .journal import Entry

__all__ = ["Entry", "SavedSeries", "State"]
