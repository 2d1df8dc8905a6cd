"""Rules: one question about a call, which calls it is asked of, and how many of those.

A rule is data. What it may see is named; what it matches are labels; whether a call is sampled
depends on its trace alone, so that replicas and restarts choose the same calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from zlib import crc32

from ..content.record import CallContent

Material = Literal["user", "answer", "system", "documents", "tool_results"]
"""The texts of a call that a rule can see; fields of `CallContent`."""

MATERIALS: tuple[Material, ...] = get_args(Material)

CALL_LABELS = ("service", "environment", "provider", "model", "operation")
"""Labels that every rule can match on, besides the dimensions."""

Labels = Mapping[str, str]
"""Label to value; what is not there is empty."""

_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)(=~|!~|!=|=)"(.*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_HASH_RANGE = 2.0**32
# From here on, so that the shares are not those of someone else's hashing.
_HASH_START = crc32(b"llm-judge")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label; an absent label is empty."""

    label: str
    test: Callable[[str], bool]

    def __call__(self, labels: Labels) -> bool:
        """Whether the labels fulfil it."""
        return self.test(labels.get(self.label, ""))


def parse_matcher(text: str) -> Matcher:
    """Read `feature="refunds"`, `!=`, or a whole-value regular expression after `=~` or `!~`.

    Source: Prometheus, label matchers of a selector.

    Raises: ValueError where it is none; its text holds nothing of the value.
    """
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise ValueError("not a matcher")
    label, operator, quoted = found.groups()
    if "~" not in operator:
        value = _ESCAPE.sub(r"\1", quoted)
        return Matcher(label, value.__eq__ if operator == "=" else value.__ne__)
    try:
        matches = re.compile(quoted.replace(r"\"", '"')).fullmatch
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError("not a regular expression") from error
    if operator == "=~":
        return Matcher(label, lambda value: matches(value) is not None)
    return Matcher(label, lambda value: matches(value) is None)


@dataclass(frozen=True, slots=True)
class Sample:
    """How many of the calls with certain labels are judged."""

    where: tuple[Matcher, ...] = ()
    """All of them must match; none: every call."""
    rate: float = 1.0
    """Share of the traces, 0-1."""
    per_minute: int | None = None
    """Calls in any 60 seconds; None: any number."""


EVERY_CALL = Sample()


@dataclass(frozen=True, slots=True)
class Rule:
    """One question with the answer TRUE or FALSE."""

    name: str
    """The judge's name in the metrics."""
    question: str
    inputs: tuple[Material, ...] = ("user", "answer")
    passes_when: bool = True
    """The answer that is a pass."""
    requires: tuple[Material, ...] | None = None
    """What must be there for the question to make sense; None: all that it sees."""
    where: tuple[Matcher, ...] = ()
    """Calls it is asked of: all must match."""
    samples: tuple[Sample, ...] = (EVERY_CALL,)
    """The first that matches decides; where none does, the call is not judged."""

    def applies(self, labels: Labels) -> bool:
        """Whether it is asked of calls with these labels."""
        return all(matcher(labels) for matcher in self.where)

    def highest_rate(self, labels: Labels) -> float:
        """The highest rate that calls can have of which only some labels are told."""
        if not _could_match(self.where, labels):
            return 0.0
        highest = 0.0
        for sample in self.samples:
            if _could_match(sample.where, labels):
                highest = max(highest, sample.rate)
            if all(matcher.label in labels and matcher(labels) for matcher in sample.where):
                break
        return highest

    def can_judge(self, exchange: CallContent) -> bool:
        """Whether the exchange holds what the question is about."""
        needed = self.inputs if self.requires is None else self.requires
        return all(has_text(exchange, material) for material in needed)

    def sample_of(self, labels: Labels) -> int | None:
        """Which of its samples calls with these labels belong to."""
        for at, sample in enumerate(self.samples):
            if all(matcher(labels) for matcher in sample.where):
                return at
        return None


def _could_match(matchers: Iterable[Matcher], labels: Labels) -> bool:
    return all(matcher.label not in labels or matcher(labels) for matcher in matchers)


def has_text(exchange: CallContent, material: Material) -> bool:
    """Whether there is anything but blanks in one of the texts."""
    value: str | tuple[str, ...] = getattr(exchange, material)
    texts = (value,) if isinstance(value, str) else value
    return any(text and not text.isspace() for text in texts)


def is_sampled(trace_id: bytes, rate: float) -> bool:
    """Whether a share of all traces holds this one.

    Ids are hashed: those that head sampling let through are no random ones. A trace that is in a
    share is in every larger one, so rules look at the same traces.
    """
    if rate >= 1:
        return True
    return rate > 0 and crc32(trace_id, _HASH_START) < rate * _HASH_RANGE
