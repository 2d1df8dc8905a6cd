"""What must survive a restart: a journal of requests and checkpoints of the series."""

from __future__ import annotations

from .file import Kept, SavedSeries, State
from .journal import Entry
from .packed import pack_subjects, unpack_subjects

__all__ = ["Entry", "Kept", "SavedSeries", "State", "pack_subjects", "unpack_subjects"]
