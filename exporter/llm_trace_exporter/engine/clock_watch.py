"""Whether the wall clock keeps step with the time that passes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

Direction = Literal["forward", "back"]

SLACK_S = 60.0
"""A clock that is being set drifts by less than this between two looks."""

_logger = logging.getLogger(__name__)


def direction_of(drift_s: float) -> Direction | None:
    """Which way a clock has jumped that is off by so much; None where it has not."""
    if abs(drift_s) <= SLACK_S:
        return None
    return "forward" if drift_s > 0 else "back"


class ClockWatch:
    """Tells of jumps; one caller at a time."""

    def __init__(
        self,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        jumped: Callable[[Direction], None],
    ) -> None:
        """Compare from now on.

        Args:
            clock: Monotonic seconds.
            wall_clock: Unix seconds.
            jumped: Counts a jump.
        """
        self._clock = clock
        self._wall_clock = wall_clock
        self._jumped = jumped
        self._ahead_s = wall_clock() - clock()

    def look(self) -> None:
        """Tell of a jump since the last look."""
        ahead_s = self._wall_clock() - self._clock()
        drift_s, self._ahead_s = ahead_s - self._ahead_s, ahead_s
        self.tell(drift_s)

    def tell(self, drift_s: float) -> None:
        """Tell of a clock that is off by so much, if that is a jump."""
        direction = direction_of(drift_s)
        if direction is not None:
            self._jumped(direction)
            _logger.warning("the clock went %s by %.0f s", direction, abs(drift_s))
