"""A token bucket: so many a second in the long run, and a burst after a pause."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable


class Bucket:
    """Full at the start; safe to use from several threads."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Fill it; a burst below 1 lets nothing pass, as in the exporter-toolkit."""
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._left = float(burst)
        self._at_s = clock()
        self._lock = threading.Lock()

    def take(self) -> int:
        """0 when there was one to take, else the whole seconds after which there will be one."""
        with self._lock:
            now_s = self._clock()
            gained = max(0.0, now_s - self._at_s) * self._per_second
            self._left = min(float(self._burst), self._left + gained)
            self._at_s = now_s
            if self._left >= 1.0:
                self._left -= 1.0
                return 0
            return max(1, math.ceil((1.0 - self._left) / self._per_second))
