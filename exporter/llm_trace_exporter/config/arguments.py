"""Values of command-line options, read and refused as argparse wants it."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from .units import format_duration, parse_duration


def duration_to(most_s: float = math.inf) -> Callable[[str], float]:
    """Reads a duration of at most so many seconds, as the configuration file allows."""

    def read(written: str) -> float:
        try:
            seconds = parse_duration(written)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        if seconds > most_s:
            raise argparse.ArgumentTypeError(f"at most {format_duration(most_s)}: {written!r}")
        return seconds

    return read


def moment(written: str) -> datetime:
    """An ISO date or time; without a zone it is UTC."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not an ISO date or time: {written!r}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


_REGION = re.compile(
    r"|[a-z]{2}|global|apac|us-gov|data[-_ ]?zone(?:[-_ ]?[a-z]{2})?"
    r"|(?=.*(?:north|south|east|west|central))[a-z]{2,}(?:-[a-z]+)*-?\d{0,2}",
    re.IGNORECASE,
)
"""Regions as clouds name them: by a word, or by a place with a point of the compass."""


def region(written: str) -> str:
    """A region that a price may depend on; nothing: not told."""
    if _REGION.fullmatch(written) is None:
        allowed = "global, us, eu or another two letters, or as a cloud names it: us-east5, eastus2"
        raise argparse.ArgumentTypeError(f"no region: {written!r}; allowed: {allowed}")
    return written


def positive(written: str) -> int:
    """A number from 1 up."""
    number = int(written)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1: {written!r}")
    return number


def ratio(written: str) -> float:
    """A number from 0 to 1."""
    found = float(written)
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"from 0 to 1: {written!r}")
    return found
