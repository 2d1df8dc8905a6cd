"""What was decided of each record, for those who ask why; where nobody does, nothing is noted.

Ids and reasons only. A reason is whatever `Output.discard` is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from ..model import Origin, ParsedRecord, Signal, Step
from ..settled import LateUsage
from .trace import Report

What = Literal["counted", "merged", "discarded", "resent"]
"""Merged: it adds facts to what counts. Resent: the same record came before."""

Ids = tuple[bytes, bytes]
"""(trace id, span id)."""
Key = tuple[bytes, bytes, Signal, bytes]
"""(trace id, span id, signal, fingerprint of a log record): what records are told apart by."""


class Decision(Struct, frozen=True, gc=False):
    """What became of one span, of one log record, or of one result that it carries."""

    trace_id: bytes
    span_id: bytes
    signal: Signal
    fingerprint: bytes
    """Log records that their dialect reads: what tells them apart."""
    what: What
    reason: str = ""
    """Why it does not count by itself, as in `llm_exporter_discarded_total`."""
    into: Ids = (b"", b"")
    """Merged: who counts instead."""
    place: int = -1
    """Of what it counts as in `Output.records`; -1: it is not there."""
    is_result: bool = False
    """About a verdict or rating on the record, not about the record itself."""
    is_step: bool = False
    """About the step that it tells: an agent may be a step and a call in one."""

    @property
    def key(self) -> Key:
        """Of the record that it is about."""
        return self.trace_id, self.span_id, self.signal, self.fingerprint


class Decisions:
    """Those of one round; not safe for threads."""

    def __init__(self, logs: dict[int, bytes] | None = None) -> None:
        """Note nothing yet; `logs` is what an earlier round knows of waiting log records."""
        self.made: list[Decision] = []
        # By identity of the report, which lives as long as it waits. Reports have no fingerprint:
        # nothing else asks for it, and there are hundreds of thousands of them.
        self._logs: dict[int, bytes] = {} if logs is None else logs

    def renewed(self) -> Decisions:
        """The next round's."""
        return Decisions(self._logs)

    def waits(self, report: Report, reading: ParsedRecord) -> None:
        """Remember which record a report comes from."""
        if reading.signal == "log":
            self._logs[id(report)] = reading.fingerprint

    def counted(self, report: Report, place: int) -> None:
        """Note that a call or step counts."""
        is_step = isinstance(report.record, Step)
        self.made.append(Decision(*self._key(report), "counted", place=place, is_step=is_step))

    def discarded(
        self,
        reason: str,
        whose: Sequence[Report | ParsedRecord],
        into: Origin | LateUsage | None,
        place: int,
    ) -> None:
        """Note what does not count by itself.

        Args:
            reason: Why.
            whose: What is settled so; a parsed record where that is known as soon as it comes.
            into: The call or step that counts instead, where it does; or what is added to it.
            place: Of what is added in `Output.records`.
        """
        origin = into.counted.origin if isinstance(into, LateUsage) else into
        adds = next((p for p in whose if p.reported_tokens), whose[0]) if place >= 0 else None
        for one in whose:
            if isinstance(one, ParsedRecord):
                what: What = "discarded" if one.drop == reason else "resent"
                self.made.append(Decision(*_key_of(one), what, reason))
                continue
            key, is_step = self._key(one), isinstance(one.record, Step)
            if origin is None:
                self.made.append(Decision(*key, "discarded", reason, is_step=is_step))
                continue
            ids = (origin.trace_id, origin.span_id)
            at = place if one is adds else -1
            self.made.append(Decision(*key, "merged", reason, ids, at, is_step=is_step))

    def result(self, reading: ParsedRecord, reason: str = "") -> None:
        """Note that a result on a record counts, or why not."""
        what: What = "discarded" if reason else "counted"
        self.made.append(Decision(*_key_of(reading), what, reason, is_result=True))

    def _key(self, report: Report) -> Key:
        fingerprint = self._logs.pop(id(report), b"")
        return report.trace.trace_id, report.span_id, report.signal, fingerprint


def _key_of(reading: ParsedRecord) -> Key:
    return reading.trace_id, reading.span_id, reading.signal, reading.fingerprint
