"""What keeps the judge from costing too much or asking in vain: budget, breaker, rate."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_DAY_S = 86_400


class DailyBudget:
    """US dollars of a UTC day; safe to call from several threads.

    What is under way is taken to cost as much as the dearest question so far, so that questions
    asked at once do not pass the limit together.
    """

    def __init__(self, limit_usd: float, wall_clock: Callable[[], float] = time.time) -> None:
        """Nothing is spent yet."""
        self.limit_usd = limit_usd
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._day = 0
        self._spent_usd = 0.0
        self._in_flight = 0
        self._dearest_usd = 0.0

    @property
    def spent_usd(self) -> float:
        """What this UTC day has cost."""
        with self._lock:
            self._turn()
            return self._spent_usd

    def admit(self) -> bool:
        """Whether one more question can be paid; `settle` must follow where it can."""
        with self._lock:
            self._turn()
            committed_usd = self._spent_usd + self._in_flight * self._dearest_usd
            if committed_usd >= self.limit_usd:
                return False
            self._in_flight += 1
            return True

    def settle(self, usd: float = 0.0) -> None:
        """Note what an admitted question has cost."""
        with self._lock:
            self._turn()
            self._in_flight -= 1
            self._spent_usd += usd
            self._dearest_usd = max(self._dearest_usd, usd)

    def saved(self) -> tuple[int, float]:
        """(UTC day since 1970, US dollars spent in it): what must survive a restart."""
        with self._lock:
            self._turn()
            return self._day, self._spent_usd

    def restore(self, day: int, usd: float) -> None:
        """Go on from what was saved; nothing where that was another day."""
        with self._lock:
            self._turn()
            if day == self._day:
                self._spent_usd += usd

    def _turn(self) -> None:
        day = int(self._wall_clock() // _DAY_S)
        if day > self._day:
            self._day, self._spent_usd, self._dearest_usd = day, 0.0, 0.0


class CircuitBreaker:
    """Opens after failures in a row, then lets one question through at a time.

    Safe to call from several threads.
    """

    def __init__(
        self, failures: int, cooldown_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Closed at first."""
        self._limit = failures
        self._cooldown_s = cooldown_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._retry_s = 0.0
        self._probes = False

    @property
    def is_open(self) -> bool:
        """Whether questions are held back."""
        return self._failures >= self._limit

    def admit(self) -> bool:
        """Whether to ask; `succeeded`, `failed` or `abandoned` must follow where so."""
        with self._lock:
            if not self.is_open:
                return True
            if self._probes or self._clock() < self._retry_s:
                return False
            self._probes = True
            return True

    def succeeded(self) -> None:
        """The endpoint works."""
        with self._lock:
            self._failures, self._probes = 0, False

    def failed(self) -> None:
        """The endpoint does not."""
        with self._lock:
            self._failures += 1
            self._probes = False
            self._retry_s = self._clock() + self._cooldown_s

    def abandoned(self) -> None:
        """It was not asked after all."""
        with self._lock:
            self._probes = False


class PerMinute:
    """Lets a number of calls through in any 60 seconds; one caller at a time."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has come through yet."""
        self._clock = clock
        self._times: deque[float] = deque(maxlen=most)

    def admit(self) -> bool:
        """Whether one more fits."""
        now_s = self._clock()
        if len(self._times) == self._times.maxlen and now_s - self._times[0] < 60.0:
            return False
        self._times.append(now_s)
        return True
