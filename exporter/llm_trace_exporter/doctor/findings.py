"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "problem"]
LEVELS: tuple[Level, ...] = ("ok", "note", "warning", "problem")
"""The least first."""


TAKE_OFF = (
    "take the label off the target: {action: labeldrop, regex: service} at the end of "
    "relabel_configs (relabelings of a ServiceMonitor), as the chart's monitors do"
)
"""What to do about labels that a target should not have."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is well, worth knowing, or wrong."""

    level: Level
    what: str
    """One sentence."""
    why: str = ""
    do: str = ""
    """What a person does about it."""
    where: tuple[str, ...] = ()
    """Targets, rules or panels that it is about."""


def count(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def ok(what: str, where: tuple[str, ...] = ()) -> Finding:
    """All is well."""
    return Finding("ok", what, where=where)
