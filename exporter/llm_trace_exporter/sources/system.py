"""What a source is made of: a system's requests, and what it reads of their answers.

A system is a module of pure functions and a table. It knows how its store is asked and what the
answers mean; waiting, windows, failures, credentials and counting are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..pulled import LETTERS, Identity
from ..score_items import ScoreItem
from .restore_spans import StoredSpan
from .rows import print_of


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    step: str
    """By it the system knows its answer again."""
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    """JSON for a POST; None: a GET."""
    limit: int = 0
    """Rows of a page; halved where an answer is too large. 0: the request has none."""
    limit_key: str = "limit"
    ids: tuple[str, ...] = ()
    """What is asked about; halved where that is too much."""
    ids_key: str = ""
    may_be_absent: bool = False
    """404 means that there is nothing."""
    seen: frozenset[Identity] = frozenset()
    """What earlier pages of the same told of."""
    had_unread: bool = False
    """Earlier pages of the same had rows that could not be read: nothing is known to be gone."""
    known: Mapping[str, Any] = field(default_factory=dict)
    """What the system wants to know again with the answer, by id."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query of the URL."""
        own = [(self.limit_key, str(self.limit))] if self.limit and self.body is None else []
        return [*self.params, *own, *((self.ids_key, one) for one in self.ids)]

    @property
    def payload(self) -> Mapping[str, Any]:
        """The JSON that is posted."""
        own = {self.limit_key: self.limit} if self.limit else {}
        return {**(self.body or {}), **own}

    def smaller(self) -> tuple[Ask, ...]:
        """The same in smaller parts; none where it cannot be parted."""
        if len(self.ids) > 1:
            half = len(self.ids) // 2
            return replace(self, ids=self.ids[:half]), replace(self, ids=self.ids[half:])
        if self.limit > 1:
            return (replace(self, limit=self.limit // 2),)
        return ()


@dataclass(frozen=True, slots=True)
class Walk:
    """What is read in one go."""

    project: str
    begin_ns: int
    """What is older does not count, Unix nanoseconds."""
    since_ns: int
    """What began earlier is not asked about."""
    until_ns: int
    with_calls: bool = False
    cursor: str = ""
    """Where reading of calls goes on; in the system's words."""
    timezone: str = "UTC"
    """Of times that have none, by its IANA name."""


@dataclass(frozen=True, slots=True)
class Told:
    """A score as its store tells it."""

    item: ScoreItem
    target: str
    """What it is about, by its id in the store."""
    target_ns: int
    """When that began."""
    key: tuple[str, ...]
    """What identifies the score there, without who judged."""
    is_valid: bool = True
    is_empty: bool = False
    """It was given and says nothing: not yet, or its judge broke."""
    run: str = ""
    """The offline run that it belongs to."""
    suite: str = ""
    """Whose run that is; empty: the project's."""

    @property
    def identity(self) -> Identity:
        """What tells it from all others of its store, who judged included."""
        letter = LETTERS[self.item.result.kind]
        return print_of((self.target,)), print_of(self.key) + letter


@dataclass(frozen=True, slots=True)
class Page:
    """What an answer says."""

    rows: int = 0
    newest_ns: int = 0
    """When its newest row began."""
    scores: tuple[Told, ...] = ()
    spans: tuple[StoredSpan, ...] = ()
    asks: tuple[Ask, ...] = ()
    """What has to be asked next."""
    complete: frozenset[str] = frozenset()
    """Targets all of whose scores were told by now."""
    complete_window: bool = False
    """All scores of the walk's window were told by now."""
    seen: frozenset[Identity] = frozenset()
    """What earlier pages of the same told of."""
    cursor: str | None = None
    """Where to go on; None: where it was."""
    unread: int = 0
    """Rows that are not what the system writes."""


class System(Protocol):
    """One kind of store."""

    @property
    def name(self) -> str:
        """As in the configuration; also the dialect of its scores, for what is known of judges."""
        ...

    def headers(self, credentials: str) -> Mapping[str, str]:
        """The headers that prove who asks, from what the file of credentials holds."""
        ...

    def first(self, walk: Walk) -> tuple[Ask, ...]:
        """What a walk begins with."""
        ...

    def read(self, walk: Walk, ask: Ask, body: bytes) -> Page:
        """What an answer says.

        Raises: SourceError where it is not what the system writes.
        """
        ...
