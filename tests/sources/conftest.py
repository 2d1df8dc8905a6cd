"""A source under test: a real engine, a real HTTP client, and a stand-in for the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from llm_trace_exporter.app.sources import client_of, options_of
from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import StateSettings
from llm_trace_exporter.config.source_settings import SourceSettings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.sources.poller import Poller
from llm_trace_exporter.sources.registry import SYSTEMS
from tests.facts import Samples
from tests.sources.standin import Recorded, StandIn, serving

NOW = datetime(2026, 11, 27, 23, 20, tzinfo=UTC)
"""A little after all that was recorded."""


@dataclass
class Watched:
    """A source, what it reads, and what comes of it."""

    settings: SourceSettings
    stand_in: StandIn
    state: Path | None = None
    now_s: float = NOW.timestamp()
    engine: Engine = field(init=False)
    poller: Poller = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A process of its own; the one before is gone without a word."""
        state = StateSettings(str(self.state)) if self.state else StateSettings()
        settings = Settings(zero_hold_s=0, state=state, sources=(self.settings,))
        self.engine = Engine(settings, clock=lambda: self.now_s, wall_clock_ns=self._now_ns)
        self.poller = Poller(
            options_of(self.settings),
            SYSTEMS[self.settings.system],
            client_of(self.settings, self.engine.sources).fetch,
            self.engine.ingester,
            self.engine.sources,
            wall_clock_ns=self._now_ns,
            jitter=lambda: 0.0,
        )

    def crash(self) -> None:
        """End without a word, and begin again."""
        assert self.engine.state is not None
        self.engine.state.close()
        self.begin()

    def poll(self, store: Recorded | None = None, *, is_slow: bool | None = True) -> float:
        """Read what the store holds; seconds until the next time."""
        if store is not None:
            self.stand_in.store = store
        self.now_s += 1
        return self.poller.poll(is_slow=is_slow)

    def samples(self) -> Samples:
        """The metrics, with all that waits settled."""
        self.engine.ingester.settle_all()
        return Samples(self.engine.exposition.render("", []).body.decode())

    def _now_ns(self) -> int:
        return int(self.now_s * 1e9)


Watching = Callable[..., Watched]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    """Begins to read a recorded store."""
    servers: list[Any] = []

    def begin(system: str, store: Recorded, *, is_kept: bool = False, **options: Any) -> Watched:
        server = serving(store)
        stand_in = server.__enter__()
        servers.append(server)
        told: dict[str, Any] = {"projects": ("shop-22",), "start_at_s": 86_400.0, **options}
        settings = SourceSettings("it", system, stand_in.url, **told)
        return Watched(settings, stand_in, tmp_path / "state.db" if is_kept else None)

    yield begin
    for server in servers:
        server.__exit__(None, None, None)
