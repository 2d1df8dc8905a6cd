"""How long a server asks to wait, for whoever asks one."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")


def number(told: str) -> float | None:
    """A waiting time as a plain number; None where it is none."""
    return float(told) if _SECONDS.fullmatch(told) else None


def seconds(told: str) -> float:
    """Seconds from a `Retry-After` header: a number or a date (RFC 9110); 0 where it is neither."""
    plain = number(told)
    if plain is not None:
        return plain
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
