"""What was said in calls, held in memory until the call settles, for those who listen.

Nothing of it is journaled, logged or shown. What is held ends by age, by size and with the process.
"""

from __future__ import annotations

from .attribute_filter import filters, span_filter
from .buffer import Hold, HoldLimits
from .dispatcher import Heard, Hearing, Listener

__all__ = ["Heard", "Hearing", "Hold", "HoldLimits", "Listener", "filters", "span_filter"]
