"""How long a server asks to wait, for whoever asks one."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")


def number(header: str) -> float | None:
    """A waiting time as a plain number; None where it is none."""
    return float(header) if _SECONDS.fullmatch(header) else None


def seconds(header: str) -> float:
    """Seconds from a `Retry-After` header: a number or a date (RFC 9110); 0 where it is neither."""
    plain = number(header)
    if plain is not None:
        return plain
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
