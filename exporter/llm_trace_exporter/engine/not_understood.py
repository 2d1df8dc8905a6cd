"""A bounded memory of what was not understood, for whoever asks which spans that were."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import msgspec

from ..config import plain_convention
from ..dialects import UnreadKind, unread_of
from ..otlp.records import RawLog, RawSpan
from .readings import Unread
from .suggestions import suggested

MAX_KINDS = 50


class NotUnderstood:
    """The latest kinds of records that were not understood; safe to call from several threads."""

    def __init__(self) -> None:
        """Everything was understood so far."""
        self._lock = threading.Lock()
        self._counts: OrderedDict[UnreadKind, int] = OrderedDict()

    def see(self, record: RawSpan | RawLog) -> None:
        """Note a record; past MAX_KINDS, what did not come for the longest time is forgotten."""
        kind = unread_of(record)
        with self._lock:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._counts.move_to_end(kind)
            if len(self._counts) > MAX_KINDS:
                self._counts.popitem(last=False)

    def as_json(self) -> bytes:
        """A list, the most frequent first: `signal`, `scope`, `name`, `attributes`, `records`.

        `convention` is a member of the configuration's `conventions` to start from.
        """
        with self._lock:
            counts = list(self._counts.items())
        rows = [
            {**kind._asdict(), "records": n, "convention": _convention(kind)}
            for kind, n in sorted(counts, key=lambda item: -item[1])
        ]
        return msgspec.json.encode(rows)


def _convention(kind: UnreadKind) -> dict[str, Any]:
    named = Unread(kind.scope, kind.name)
    named.add(kind.attributes)
    (convention,) = suggested((named,), ())
    return plain_convention(convention)
