"""Values of command-line options, read and refused as argparse wants it."""

from __future__ import annotations

import argparse
import math
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
