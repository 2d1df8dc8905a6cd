"""A machine with clocks of its own, on which the exporter starts, ends and is killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import StateSettings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.errors import Overloaded
from llm_trace_exporter.otlp.records import RawLog, RawSpan
from tests.facts import Samples
from tests.spans import START_NS

SETTLE_S = 10.0


@dataclass
class Machine:
    """One exporter at a time on one state file."""

    path: Path
    settings: Settings = field(
        default_factory=lambda: Settings(zero_hold_s=0, decision_wait_s=SETTLE_S)
    )
    monotonic_s: float = 5_000.0
    unix_s: float = START_NS / 1e9

    def __post_init__(self) -> None:
        self.settings = replace(self.settings, state=StateSettings(str(self.path)))
        self.engine = self._started()

    def _started(self) -> Engine:
        return Engine(
            self.settings,
            clock=lambda: self.monotonic_s,
            wall_clock_ns=lambda: round(self.unix_s * 1e9),
        )

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic_s += seconds
        self.unix_s += seconds

    def send(self, *records: RawSpan | RawLog) -> None:
        """One request that is acknowledged."""
        spans = [r for r in records if isinstance(r, RawSpan)]
        logs = [r for r in records if isinstance(r, RawLog)]
        self.engine.ingester.ingest_records(spans, logs, "otlp_http")

    def tick(self, seconds: float = 0.0) -> None:
        """Let time pass, and the exporter do what it does in the meantime."""
        self.wait(seconds)
        assert self.engine.checkpointer is not None
        for task in (
            self.engine.ingester.settle,
            self.engine.store.expire,
            self.engine.checkpointer.tick,
        ):
            with suppress(Overloaded):
                task()

    def settle(self) -> None:
        """Let every call have its time."""
        self.tick(SETTLE_S + 0.1)

    def checkpoint(self) -> None:
        assert self.engine.checkpointer is not None
        self.engine.checkpointer.checkpoint()

    def kill(self) -> None:
        """Lose all that is not in the file."""
        assert self.engine.state is not None
        self.engine.state.close()

    def start(self, **changes: Any) -> None:
        """A new process, with other settings."""
        self.settings = replace(self.settings, **changes)
        self.engine = self._started()

    def restart(self, **changes: Any) -> None:
        """End in order, and start again."""
        self.engine.close()
        self.start(**changes)

    def crash(self, **changes: Any) -> None:
        """Be killed, and start again."""
        self.kill()
        self.start(**changes)

    def shown(self) -> Samples:
        """What a scrape shows."""
        return self._shown()

    def _shown(self, *names: str) -> Samples:
        """What a scrape of these families shows."""
        return Samples(self.engine.exposition.render("", names).body.decode())

    def total(self, name: str, **labels: str) -> float:
        """Sum of a family on a scrape."""
        return self._shown(name).total(name, **labels)

    def calls(self) -> tuple[float, float]:
        """(requests, tokens) on a scrape."""
        at = self._shown("llm_requests_total", "llm_tokens_total")
        return at.total("llm_requests_total"), at.total("llm_tokens_total")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the file of an exporter that has ended."""
        with sqlite3.connect(self.path) as db:
            found = db.execute(query).fetchall()
        db.close()
        return found

    def write(self, change: Callable[[sqlite3.Connection], object]) -> None:
        """Change the file of an exporter that has ended."""
        with sqlite3.connect(self.path) as db:
            change(db)
        db.close()
