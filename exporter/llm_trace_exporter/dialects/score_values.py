"""What a judge gives for a score: a number, a share of its range, a word, or nothing that can be.

A score never rejects the record it is on: it is one judge's word, and the record may be a call.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ..otlp.records import Value
from .coerce import text

_PERCENTAGE = re.compile(r"([+-]?[0-9]+(?:\.[0-9]*)?)\s*%")


@dataclass(frozen=True, slots=True)
class Score:
    """A score as it was told; all at their defaults: none."""

    number: float | None = None
    is_share: bool = False
    """The number is a share of the judge's range: 0.85 of `85%`, all of it for `true`."""
    word: str = ""
    """It says in a word what it means, as a label does: `true`, `good`."""
    is_broken: bool = False
    """It is no score at all: NaN, an infinity, a list."""


NO_SCORE = Score()
BROKEN = Score(is_broken=True)


def score_of(value: Value) -> Score:
    """What a value says for a score, whatever it is."""
    if type(value) is float or type(value) is int:
        return _number(value)
    if isinstance(value, bool):
        return Score(float(value), is_share=True, word=text(value))
    if isinstance(value, str):
        return _written(text(value))
    return NO_SCORE if value is None else BROKEN


def _number(value: float) -> Score:
    try:
        number = float(value)
    except OverflowError:
        return BROKEN
    return Score(number) if math.isfinite(number) else BROKEN


def _written(written: str) -> Score:
    if not written:
        return NO_SCORE
    if (percentage := _PERCENTAGE.fullmatch(written)) is not None:
        return Score(float(percentage[1]) / 100, is_share=True)
    try:
        return _number(float(written))
    except ValueError:
        return Score(word=written)
