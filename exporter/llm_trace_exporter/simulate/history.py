"""Faster than time: the real engine on a clock of its own, scraped as a Prometheus would."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ..config import MEMORY, Settings
from ..engine.engine import Engine
from ..otlp.records import RawLog, RawSpan
from .archive import Archive
from .incidents import Plan
from .traffic import Sent, Traffic

BATCH_S = 5.0
"""How often applications send what they have, as SDKs do by default."""

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_SOURCE: Final = "otlp_http"
_NO_METRICS = b""
"""An empty request is a valid one."""
_START: Final = re.compile(r"^(process_start_time_seconds )\S+", re.MULTILINE)
"""The simulation's own start is not the exporter's."""


@dataclass(frozen=True, slots=True)
class Span:
    """What is written: scrapes from `start_s` to `end_s`, Unix seconds, each `step_s`."""

    start_s: int
    end_s: int
    step_s: int


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it."""

    scrapes: int
    records: int
    size_bytes: int


class VirtualClock:
    """Stands still until it is set."""

    def __init__(self, unix_s: float) -> None:
        """Show a time."""
        self.unix_s = unix_s

    def engine(self, settings: Settings) -> Engine:
        """An engine that lives by it."""
        return Engine(
            settings,
            clock=lambda: self.unix_s,
            wall_clock_ns=lambda: int(self.unix_s * 1e9),
        )


def write_history(
    path: Path,
    span: Span,
    traffic: Traffic,
    plan: Plan,
    settings: Settings,
    labels: dict[str, str],
    progress: Callable[[float], None] = lambda _: None,
) -> Written:
    """Count the traffic and write what is scraped meanwhile.

    Args:
        path: The OpenMetrics file.
        span: When.
        traffic: What is sent; it begins where `span` does.
        plan: Of which only what concerns the exporter itself is of interest here.
        settings: Of the exporter. A state file that they name is not touched: one is made up.
        labels: Those that a scrape adds.
        progress: Is told the share that is done, now and then.
    """
    virtual = VirtualClock(float(span.start_s))
    with TemporaryDirectory(prefix="simulate-") as folder, Archive(path, labels) as archive:
        settings = _fitting(settings, span.step_s, Path(folder))
        engine = _started(virtual, settings)
        scrapes = records = 0
        started_s = float(span.start_s)
        for at_s in range(span.start_s, span.end_s + 1, span.step_s):
            feed(engine, traffic, virtual, float(at_s))
            active = plan.active(at_s)
            if any(0 < i.restarts_every_s <= at_s - started_s for i in active):
                records += engine.ingester.arrivals.records
                engine.close()
                engine, started_s = _started(virtual, settings), float(at_s)
                archive.miss(at_s)
            elif any(incident.silences_exporter for incident in active):
                archive.miss(at_s)
            else:
                if archive.is_fresh:
                    page = engine.exposition.render(_OPENMETRICS).body.decode()
                    archive.collect(_START.sub(rf"\g<1>{started_s}", page))
                    progress((at_s - span.start_s) / max(1, span.end_s - span.start_s))
                engine.refresh()
                engine.store.expire()
                engine.store.update_limits()
                archive.scrape(at_s, engine.store)
            scrapes += 1
        written = Written(scrapes, records + engine.ingester.arrivals.records, archive.write())
        engine.close()
        return written


def _started(virtual: VirtualClock, settings: Settings) -> Engine:
    engine = virtual.engine(settings)
    engine.metrics.config_loaded(is_success=True, unix_s=virtual.unix_s)
    return engine


def feed(engine: Engine, traffic: Traffic, virtual: VirtualClock, until_s: float) -> None:
    """Count what is sent before a moment, which then is the time."""
    while virtual.unix_s < until_s:
        now_s = min(until_s, virtual.unix_s + BATCH_S)
        spans: list[RawSpan] = []
        logs: list[RawLog] = []
        for sent in traffic.until(now_s):
            spans += sent.spans
            logs += sent.logs
            _besides(engine, sent)
        virtual.unix_s = now_s
        if spans or logs:
            engine.ingester.ingest_records(spans, logs, _SOURCE)
        else:
            engine.ingester.settle()
        if engine.checkpointer is not None:
            engine.checkpointer.tick()


def _besides(engine: Engine, sent: Sent) -> None:
    if sent.metrics:
        engine.ingester.ingest_request("metrics", "protobuf", _NO_METRICS, _SOURCE)
    if sent.malformed:
        engine.ingester.count_rejection(_SOURCE, "malformed")


def _fitting(settings: Settings, step_s: int, folder: Path) -> Settings:
    """Settings with a state file of their own, and new series held at 0 for a scrape."""
    path = settings.state.path
    return replace(
        settings,
        zero_hold_s=max(settings.zero_hold_s, 1.1 * step_s),
        state=replace(settings.state, path=path if path == MEMORY else str(folder / "state.db")),
    )
