"""All that is remembered of what was settled: for duplicates, copies, late reports and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..model import LlmCall, Subject
from .bounded_set import BoundedMap
from .call_groups import CallGroup
from .duplicates import is_answer_elsewhere
from .evaluations import Answer, HumanAgreement
from .limits import Limits, Memory
from .linked_services import Pairs
from .memory_codec import (
    Move,
    Part,
    Saved,
    log_by_subject,
    log_of,
    merged,
    relabelled,
    unpacked,
    unpacked_by_subject,
)
from .merge import overlap
from .subjects import Subjects, subject_of
from .trace import Reporter
from .trace_table import TraceTable

_bytes = msgspec.msgpack.Decoder(list[bytes])
_texts = msgspec.msgpack.Decoder(list[str])
_pairs = msgspec.msgpack.Decoder(list[tuple[str, str]])

MAX_PAIRS = 1_000
"""Pairs of services of which one stands behind the other."""


class _Row(Struct, array_like=True, gc=False):
    """An answer, as it is saved."""

    service: str
    response_id: str
    start_ns: int
    end_ns: int
    unmeasured: LlmCall | None
    """The call where it was counted without usage."""
    reported_by: frozenset[Reporter] = frozenset()
    usage: tuple[int, int] | None = None


_answers = msgspec.msgpack.Decoder(tuple[list[Subject], list[tuple[int, _Row]]])


class Memories:
    """Each bounded; not safe for threads."""

    def __init__(
        self, limits: Limits, human_names: Mapping[str, Iterable[str]], *, tracks: bool
    ) -> None:
        """Remember nothing yet; `tracks` notes what changes, for `save`."""
        most = limits.max_remembered
        self.table = TraceTable(limits.max_spans, limits.max_age_s, tracks=tracks)
        self.answers: BoundedMap[tuple[str, str], Answer] = BoundedMap(most, tracks=tracks)
        """(service, response id) -> the call that was counted."""
        self._services: BoundedMap[str, str] = BoundedMap(most)
        """Response id -> the service whose call was counted last with it."""
        self.pairs: Pairs = BoundedMap(MAX_PAIRS, tracks=tracks)
        """Services that were found to tell one call."""
        self.fingerprints: BoundedMap[bytes, None] = BoundedMap(most, tracks=tracks)
        """Of log records."""
        self.verdicts: BoundedMap[bytes, None] = BoundedMap(most, tracks=tracks)
        """Digests of results and ratings."""
        self.groups: BoundedMap[str, None] = BoundedMap(most, tracks=tracks)
        """Emitting sessions that send spans."""
        self.subjects = Subjects(limits.max_subjects, limits.evaluation_target_age_s, tracks=tracks)
        self.comparison = HumanAgreement(human_names, most, tracks=tracks)

    @property
    def usage(self) -> dict[str, Memory]:
        """How full each is, by its name in `llm_exporter_trace_table_entries`."""
        table, subjects = self.table, self.subjects
        sets: dict[str, BoundedMap[Any, Any]] = {
            "response_ids": self.answers,
            "fingerprints": self.fingerprints,
            "verdicts": self.verdicts,
            "sessions": self.groups,
        }
        return {
            # Spans go with their trace: what is evicted is counted there.
            "spans": Memory(table.spans, table.max_spans, 0),
            "traces": Memory(len(table), table.max_spans, table.evicted),
            "subjects": Memory(subjects.count, subjects.limit, subjects.evicted),
            **{name: Memory(len(s), s.limit, s.evicted) for name, s in sets.items()},
        }

    def reconfigure(
        self, limits: Limits, human_names: Mapping[str, Iterable[str]], move: Move | None
    ) -> None:
        """Go on with other limits and dimensions (None: the same)."""
        self.table.max_spans, self.table.max_age_s = limits.max_spans, limits.max_age_s
        self.answers.limit = self._services.limit = limits.max_remembered
        self.fingerprints.limit = limits.max_remembered
        self.verdicts.limit = self.groups.limit = limits.max_remembered
        self.subjects.limit, self.subjects.max_age_s = (
            limits.max_subjects,
            limits.evaluation_target_age_s,
        )
        self.comparison.configure(human_names)
        if move is not None:
            self.table.relabel(move)
            self.subjects.relabel(move)
            self.comparison.relabel(move)
            self.answers.restore(
                [(key, self._moved(answer, move)) for key, answer in self.answers.items()]
            )

    def answered(self, service: str, response_id: str) -> Answer | None:
        """The call that was answered so; None where none is known."""
        return self.answers.get((service, response_id))

    def answered_elsewhere(self, service: str, response_id: str) -> Answer | None:
        """The call of another service that was answered so; None where none is known."""
        other = self._services.get(response_id)
        return self.answers.get((other, response_id)) if other not in (None, service) else None

    def answered_anywhere(self, service: str, response_id: str) -> Answer | None:
        """The call that was answered so: of this service, else of its client or gateway."""
        own = self.answered(service, response_id)
        return own or self.answered_elsewhere(service, response_id)

    def has_counted(self, leaf: CallGroup) -> bool:
        """Whether the answer that a call names was counted already, as somebody else told it."""
        call = leaf.call
        answer = self.answered(call.origin.service, call.response_id)
        if answer is not None:
            return overlap(call, answer) and not leaf.reported_by & answer.reported_by
        answer = self.answered_elsewhere(call.origin.service, call.response_id)
        return answer is not None and is_answer_elsewhere(call, answer)

    def remember_answer(
        self, linked: LlmCall, counted: LlmCall, reported_by: frozenset[Reporter] = frozenset()
    ) -> None:
        """Remember a call by its response id.

        Args:
            linked: The call as a copy would tell it.
            counted: The same as it was counted.
            reported_by: Who told it.
        """
        used = linked.tokens
        answer = Answer(
            linked.start_ns,
            linked.end_ns,
            self.subjects.share(subject_of(linked)),
            counted if counted.tokens is None else None,
            _shared(reported_by),
            (used.input_all, used.output_all) if used is not None else None,
        )
        self.answers.add((linked.origin.service, linked.response_id), answer)
        self._services.add(linked.response_id, linked.origin.service)

    def save(self, *, every: bool) -> Saved:
        """What changed since the last time, or all there is."""
        most = self.answers.limit
        logs: dict[str, list[Any]] = {
            "fingerprints": [key for key, _ in self.fingerprints.take_fresh(every=every)],
            "verdicts": [key for key, _ in self.verdicts.take_fresh(every=every)],
            "groups": [key for key, _ in self.groups.take_fresh(every=every)],
            "pairs": [key for key, _ in self.pairs.take_fresh(every=every)],
        }
        answers = [
            (a.subject, _Row(*key, a.start_ns, a.end_ns, a.unmeasured, a.reported_by, a.usage))
            for key, a in self.answers.take_fresh(every=every)
        ]
        return merged(
            (
                self.table.save(every=every),
                log_by_subject("answers", answers, most, is_all=every),
                *(log_of(name, fresh, most, is_all=every) for name, fresh in logs.items()),
                self.subjects.save(every=every),
                self.comparison.save(every=every),
            )
        )

    def restore(self, part: Part, move: Move | None, ahead_s: float) -> bool:
        """Remember what a part holds; the parts in their order.

        Args:
            part: One of those that `save` gave.
            move: Where the dimensions had other labels then.
            ahead_s: How far this process's clock is ahead of the one that saved it.

        Returns: Whether it is one of these.

        Raises: UnreadablePart.
        """
        value = part.value
        match part.name:
            case "traces":
                self.table.restore(part, move, ahead_s)
            case "answers":
                self.answers.restore(self._answers_in(value, move))
                self._services.restore(
                    (subject, name) for (name, subject), _ in self.answers.items()
                )
            case "fingerprints":
                self.fingerprints.restore((key, None) for key in unpacked(value, _bytes))
            case "verdicts":
                self.verdicts.restore((key, None) for key in unpacked(value, _bytes))
            case "groups":
                self.groups.restore((key, None) for key in unpacked(value, _texts))
            case "pairs":
                self.pairs.restore((key, None) for key in unpacked(value, _pairs))
            case "subjects":
                self.subjects.restore(value, move, ahead_s)
            case "comparison":
                self.comparison.restore(value, move)
            case _:
                return False
        return True

    def _answers_in(
        self, value: bytes, move: Move | None
    ) -> Iterator[tuple[tuple[str, str], Answer]]:
        rows = unpacked_by_subject(value, _answers, self.subjects.share, move)
        for subject, row in rows:
            call = row.unmeasured
            if call is not None and move is not None:
                call = relabelled(call, move)
            # The same text, once in memory.
            name = subject.service if subject.service == row.service else row.service
            yield (
                (name, row.response_id),
                Answer(
                    row.start_ns, row.end_ns, subject, call, _shared(row.reported_by), row.usage
                ),
            )

    def _moved(self, answer: Answer, move: Move) -> Answer:
        """The answer under other labels, its subject once in memory."""
        subject = replace(answer.subject, dimensions=move(answer.subject.dimensions))
        call = answer.unmeasured
        return replace(
            answer,
            subject=self.subjects.share(subject),
            unmeasured=relabelled(call, move) if call is not None else None,
        )


@lru_cache(maxsize=4_096)
def _shared(reported_by: frozenset[Reporter]) -> frozenset[Reporter]:
    """The same reported_by, once in memory."""
    return reported_by
