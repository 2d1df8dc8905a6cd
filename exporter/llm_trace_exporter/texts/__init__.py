"""What was said in calls, held in memory until the call settles, for those who listen.

Nothing of it is journaled, logged or shown. What is held ends by age, by size and with the process.
"""

from __future__ import annotations

from .hearing import Heard, Hearing, Listener
from .hold import Hold, HoldLimits
from .wanted import filters, span_filter

__all__ = ["Heard", "Hearing", "Hold", "HoldLimits", "Listener", "filters", "span_filter"]
