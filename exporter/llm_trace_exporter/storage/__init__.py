"""What must survive a restart: checkpoints of series and memories, a journal of what came since."""

from __future__ import annotations

from .journal import Entry, Journal
from .reader import Found
from .rows import Memory, SavedSeries
from .state_file import Checkpoint, State

__all__ = ["Checkpoint", "Entry", "Found", "Journal", "Memory", "SavedSeries", "State"]
