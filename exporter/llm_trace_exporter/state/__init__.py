"""What must survive a restart: checkpoints of series and memories, a journal of what came since."""

from __future__ import annotations

from .file import Checkpoint, State
from .journal import Entry
from .reading import Found
from .rows import Memory, SavedSeries

__all__ = ["Checkpoint", "Entry", "Found", "Memory", "SavedSeries", "State"]
