"""What was said in calls, held in memory until the call settles, for those who listen.

Nothing of it is journaled, logged or shown. What is held ends by age, by size and with the process.
"""

from __future__ import annotations

from .attribute_filter import filters, span_filter
from .buffer import ContentBuffer, ContentBufferLimits
from .dispatcher import Captured, ContentConsumer, ContentDispatcher

__all__ = [
    "Captured",
    "ContentBuffer",
    "ContentBufferLimits",
    "ContentConsumer",
    "ContentDispatcher",
    "filters",
    "span_filter",
]
