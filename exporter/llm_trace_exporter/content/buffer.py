"""Texts of calls and retrievals between their arrival and the moment their call settles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from ..correlation import SLACK_NS
from .extract import RawContent

MAX_RETRIEVALS = 32
"""Retrievals of one trace; the oldest are forgotten first."""
_OVERHEAD_BYTES = 1_024
_BYTES_PER_CHAR = 2
"""Between one for Latin and four for some scripts."""

Reporter = tuple[bytes, bytes]
"""(trace id, span id)."""


@dataclass(frozen=True, slots=True)
class ContentBufferLimits:
    """How much is held and how long."""

    max_entries: int = 50_000
    """Records."""
    max_bytes: int = 64 * 1024 * 1024
    max_age_s: float = 60.0
    """Seconds for what calls wrote; more than they take to settle."""
    retrievals_age_s: float = 600.0
    """Seconds for what was retrieved: other calls of its trace may come long after it."""


@dataclass(slots=True, eq=False)
class _Buffered:
    at_s: float
    texts: list[RawContent] = field(default_factory=list)
    size: int = 0


class ContentBuffer:
    """Not safe for threads: the caller holds a lock. Past a bound the oldest are forgotten."""

    def __init__(self, limits: ContentBufferLimits) -> None:
        self.limits = limits
        self.evicted = 0
        """Records forgotten for want of room."""
        self._calls: OrderedDict[Hashable, _Buffered] = OrderedDict()
        self._retrievals: OrderedDict[Hashable, _Buffered] = OrderedDict()
        self._entries = self._size = 0

    def __len__(self) -> int:
        return self._entries

    @property
    def size_bytes(self) -> int:
        """About how much memory is taken."""
        return self._size

    def put_call(self, reporter: Reporter, texts: RawContent, now_s: float) -> None:
        """Hold what one reporter of a call wrote."""
        self._put(self._calls, reporter, texts, now_s)

    def put_retrieval(self, trace_id: bytes, texts: RawContent, now_s: float) -> None:
        """Hold what was retrieved in a trace."""
        self._put(self._retrievals, trace_id, texts, now_s)
        held = self._retrievals.get(trace_id)
        if held is not None and len(held.texts) > MAX_RETRIEVALS:
            self._shrink(held, 1)

    def pop(self, reporters: Iterable[Reporter]) -> list[RawContent]:
        """What the reporters of a call wrote, in their order; it is forgotten with this."""
        found: list[RawContent] = []
        for reporter in reporters:
            held = self._calls.pop(reporter, None)
            if held is not None:
                found += held.texts
                self._shrink(held, len(held.texts))
        return found

    def retrieved(self, trace_id: bytes, before_ns: int) -> list[RawContent]:
        """What had been retrieved in a trace when a call began."""
        held = self._retrievals.get(trace_id)
        if held is None:
            return []
        # Clocks of two reporters differ a little.
        return [texts for texts in held.texts if texts.end_ns <= before_ns + SLACK_NS]

    def expire(self, now_s: float) -> None:
        """Forget what is too old."""
        limits = self.limits
        for memory, age_s in (
            (self._calls, limits.max_age_s),
            (self._retrievals, limits.retrievals_age_s),
        ):
            while memory and now_s - next(iter(memory.values())).at_s > age_s:
                self._drop_oldest(memory)

    def _put(
        self,
        memory: OrderedDict[Hashable, _Buffered],
        key: Hashable,
        texts: RawContent,
        now_s: float,
    ) -> None:
        held = memory.get(key)
        if held is None:
            held = memory[key] = _Buffered(now_s)
        elif any(
            known.end_ns == texts.end_ns and known.chars == texts.chars for known in held.texts
        ):
            return  # sent again
        size = _OVERHEAD_BYTES + _BYTES_PER_CHAR * texts.chars
        held.texts.append(texts)
        held.size += size
        self._entries += 1
        self._size += size
        while self._entries > self.limits.max_entries or self._size > self.limits.max_bytes:
            oldest = min(
                (m for m in (self._calls, self._retrievals) if m),
                key=lambda m: next(iter(m.values())).at_s,
            )
            self.evicted += len(next(iter(oldest.values())).texts)
            self._drop_oldest(oldest)

    def _drop_oldest(self, memory: OrderedDict[Hashable, _Buffered]) -> None:
        _, held = memory.popitem(last=False)
        self._shrink(held, len(held.texts))

    def _shrink(self, held: _Buffered, records: int) -> None:
        gone, held.texts = held.texts[:records], held.texts[records:]
        size = sum(_OVERHEAD_BYTES + _BYTES_PER_CHAR * texts.chars for texts in gone)
        held.size -= size
        self._size -= size
        self._entries -= len(gone)
