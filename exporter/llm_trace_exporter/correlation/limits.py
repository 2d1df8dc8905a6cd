"""What bounds the pipeline, and what comes out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from ..model import DropReason, LlmCall, Origin, ParsedRecord, Record, Step
from ..settled import Agreement, LateUsage
from .decisions import Decisions
from .evaluations import UnmatchedReason
from .trace import Report

DiscardReason = DropReason | Literal["late", "invalid"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much is waited for and remembered."""

    decision_wait_s: float = 10.0
    max_pending: int = 200_000
    """Calls and steps that wait; beyond it the oldest are settled early."""
    max_spans: int = 300_000
    """Spans in the trace table."""
    max_age_s: float = 3600.0
    """Age at which an unseen trace is forgotten."""
    max_remembered: int = 100_000
    """Response ids, log fingerprints, verdicts and sessions, each."""
    max_subjects: int = 100_000
    """Calls that a judge or a user can still name."""
    evaluation_target_age_s: float = 86_400.0
    """Age at which a call can be named no longer."""
    inherited: tuple[int, ...] = ()
    """Dimensions, by their place, that enclosing spans lend to calls and steps."""
    inherit_wait_s: float = 0.0
    """How long a call or step waits for the root of its trace to lend them."""
    evaluation_wait_s: float = 60.0
    """How long a result waits for a subject that is not known."""
    gateways: frozenset[str] = frozenset()
    """Services all of whose calls have a client that is traced, too."""

    def waiting(
        self, decision_wait_s: float, evaluation_wait_s: float, inherit_wait_s: float
    ) -> Limits:
        """The same with other waits."""
        return replace(
            self,
            decision_wait_s=decision_wait_s,
            evaluation_wait_s=evaluation_wait_s,
            inherit_wait_s=inherit_wait_s,
        )


class Memory(NamedTuple):
    """How full one bounded memory is."""

    held: int
    limit: int
    evicted: int
    """Entries forgotten for want of room."""


@dataclass(slots=True)
class Output:
    """What a round of settling came to."""

    records: list[Record | Agreement | LateUsage] = field(default_factory=list)
    reporters: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    """Place of a call in `records` -> (trace id, span id) of everyone who told it."""
    missing: Counter[UnmatchedReason] = field(default_factory=Counter)
    """Results that were let out without their subject."""
    discarded: dict[tuple[DiscardReason, str], tuple[int, int]] = field(default_factory=dict)
    """(reason, dialect) -> (records, tokens that they wrote)."""

    decisions: Decisions | None = None
    """The same for each record; None: nobody asks."""

    def count(self, record: LlmCall | Step, report: Report) -> None:
        """Let out what counts, under the name of the report whose numbers it has."""
        if self.decisions is not None:
            self.decisions.counted(report, len(self.records))
        self.records.append(record)

    def discard(
        self,
        reason: DiscardReason,
        records: int,
        tokens: int,
        whose: Sequence[Report | ParsedRecord] = (),
        into: Origin | LateUsage | None = None,
    ) -> None:
        """Note what does not count.

        Args:
            reason: Why.
            records: How many.
            tokens: What they wrote beyond what counts.
            whose: Which records, as many.
            into: What counts in their place; or what they add to it, the last of `self.records`.
        """
        left = tokens
        for one in whose:
            share = min(left, one.reported_tokens)
            left -= share
            self.note(reason, one.dialect, 1 if records else 0, share)
        if left:
            other = into.call.origin if isinstance(into, LateUsage) else into
            self.note(reason, (other or whose[0]).dialect, 0, left)
        if self.decisions is not None and whose and records:
            place = len(self.records) - 1 if isinstance(into, LateUsage) else -1
            self.decisions.discarded(reason, whose, into, place)

    def note(self, reason: DiscardReason, dialect: str, records: int, tokens: int) -> None:
        """Note what does not count, whoever wrote it."""
        if records or tokens:
            before = self.discarded.get((reason, dialect), (0, 0))
            self.discarded[reason, dialect] = (before[0] + records, before[1] + tokens)
