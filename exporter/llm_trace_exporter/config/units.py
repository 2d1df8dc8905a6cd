"""Values with units as the file writes them: durations and sizes.

Source: Prometheus configuration, `<duration>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DURATION_UNITS_MS: Mapping[str, int] = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
"""Milliseconds, largest unit first: the order in which a duration is written."""

SIZE_UNITS: Mapping[str, int] = {
    "GiB": 1024**3,
    "MiB": 1024**2,
    "KiB": 1024,
    "GB": 1000**3,
    "MB": 1000**2,
    "KB": 1000,
    "B": 1,
}
"""Bytes, the preferred unit first."""

_DURATION = re.compile("(?=.)" + "".join(f"(?:[0-9]{{1,6}}{u})?" for u in DURATION_UNITS_MS))
_PART = re.compile("([0-9]+)([A-Za-z]+)")


def duration_s(text: str) -> float:
    """Seconds of a duration that has the schema's pattern, such as `1h30m`."""
    return sum(int(n) * DURATION_UNITS_MS[unit] for n, unit in _PART.findall(text)) / 1_000


def parse_duration(text: str) -> float:
    """Seconds of a duration as a person writes it.

    Raises: ValueError where it is none.
    """
    if _DURATION.fullmatch(text) is None:
        raise ValueError(f"not a duration such as 10s, 1h30m or 500ms: {text!r}")
    return duration_s(text)


def format_duration(seconds: float) -> str:
    """The reverse of `duration_s`, to the millisecond."""
    rest = round(seconds * 1_000)
    parts = []
    for unit, size in DURATION_UNITS_MS.items():
        # A year and a week are less clear than the days that they are.
        if unit not in "yw":
            number, rest = divmod(rest, size)
            parts += [f"{number}{unit}"] if number else []
    return "".join(parts) or "0s"


def size_bytes(text: str) -> int:
    """Bytes of a size that has the schema's pattern, such as `32MiB`."""
    number, unit = _PART.findall(text)[0]
    return int(number) * SIZE_UNITS[unit]


def format_size(size: int) -> str:
    """The reverse of `size_bytes`."""
    exact = (unit for unit, factor in SIZE_UNITS.items() if size and size % factor == 0)
    unit = next(exact, "B")
    return f"{size // SIZE_UNITS[unit]}{unit}"
