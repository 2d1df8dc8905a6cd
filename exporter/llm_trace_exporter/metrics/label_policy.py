"""Label policy: what a value from outside may look like and how many of them there may be.

Prometheus pays for every distinct value of every label, and senders choose these values. So each
open label has a cap on distinct values; past it a value is shown as `other`, which keeps every
sum right, and the caller is told so that it can be counted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from .labels_and_buckets import OTHER

MAX_LENGTH = 128
"""Characters of a label value; the rest is cut off."""

DEFAULT_CAP = 100

_INVISIBLE = re.compile(
    r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]+"
)
_BLANK = re.compile(r"[\s\x00-\x20\x7f-\xa0\u2028\u2029]+")


def clean_value(value: str) -> str:
    """Make a text from outside safe to show as a label value; never fails.

    Control characters and runs of blanks become one space, characters that cannot be seen (two
    names would look the same) go away, what is not valid Unicode becomes `?`.
    """
    is_plain = value.isascii() and value.isprintable() and "  " not in value
    if len(value) <= MAX_LENGTH and is_plain:
        return value.strip()
    # Bounds the work on a hostile value; runs of blanks may shrink it further.
    text = value[: 8 * MAX_LENGTH].encode("utf-8", "replace").decode("utf-8")
    text = _BLANK.sub(" ", _INVISIBLE.sub("", text)).strip()
    return text[:MAX_LENGTH].rstrip()


@dataclass(frozen=True, slots=True)
class Dimension:
    """One configured dimension, as the metrics room needs it."""

    label: str
    cap: int = DEFAULT_CAP
    """Distinct values."""


@dataclass(slots=True)
class _Admitted:
    """The values that one label may show."""

    cap: int
    values: dict[str, str] = field(default_factory=dict)
    """A value to itself: every series then shares one string object."""
    is_full: bool = False
    """Whether a value was turned away since the last `retain`."""


class LabelPolicy:
    """Cleans and caps the values of open labels; memory is bounded by the caps."""

    def __init__(
        self, caps: Mapping[str, int] | None = None, default_cap: int = DEFAULT_CAP
    ) -> None:
        """Take distinct values allowed by label name; `default_cap` for labels not named."""
        self._caps = dict(caps or {})
        self._default_cap = default_cap
        self._labels: dict[str, _Admitted] = {}

    def set_caps(self, caps: Mapping[str, int], default_cap: int) -> None:
        """Change the caps; values already admitted stay until they are no longer in use."""
        self._caps, self._default_cap = dict(caps), default_cap
        for label, admitted in self._labels.items():
            admitted.cap = self._caps.get(label, default_cap)

    def admit(self, label: str, value: str) -> tuple[str, bool]:
        """Return the value to show and whether the cap replaced it by `other`."""
        cleaned = clean_value(value)
        if not cleaned or cleaned == OTHER:
            return cleaned, False
        admitted = self._admitted(label)
        known = admitted.values.get(cleaned)
        if known is not None:
            return known, False
        if len(admitted.values) >= admitted.cap:
            admitted.is_full = True
            return OTHER, True
        admitted.values[cleaned] = cleaned
        return cleaned, False

    def admit_all(
        self, labels: Iterable[str], values: Iterable[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Admit one value per label.

        Returns:
            The values to show, and the labels whose value became `other`.
        """
        shown: list[str] = []
        overflowed: list[str] = []
        for label, value in zip(labels, values, strict=True):
            text, is_over = self.admit(label, value)
            shown.append(text)
            if is_over:
                overflowed.append(label)
        return tuple(shown), tuple(overflowed)

    def usage(self, label: str) -> tuple[int, int]:
        """Return how many values a label shows and how many it may."""
        admitted = self._labels.get(label)
        cap = self._caps.get(label, self._default_cap)
        return (len(admitted.values), admitted.cap) if admitted else (0, cap)

    def full_labels(self) -> tuple[str, ...]:
        """Labels that turned a value away since they were last trimmed."""
        return tuple(label for label, admitted in self._labels.items() if admitted.is_full)

    def retain(self, label: str, in_use: Collection[str]) -> None:
        """Forget the values of one label that no series shows any more."""
        admitted = self._admitted(label)
        admitted.values = {v: v for v in admitted.values if v in in_use}
        admitted.is_full = False

    def _admitted(self, label: str) -> _Admitted:
        found = self._labels.get(label)
        if found is None:
            found = self._labels[label] = _Admitted(self._caps.get(label, self._default_cap))
        return found
