"""A replay whose decisions are kept, beside what it comes to in metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from llm_trace_exporter.config import Settings
from llm_trace_exporter.engine.engine import Engine
from llm_trace_exporter.explain import DecisionLog, Explained, Trace
from llm_trace_exporter.otlp.files import FileRequest
from llm_trace_exporter.otlp.records import RawLog, RawSpan
from tests.facts import Samples

PLAIN = Settings(zero_hold_s=0)


@dataclass(frozen=True, slots=True)
class Replay:
    """What was decided, and what is shown."""

    log: DecisionLog
    samples: Samples

    @property
    def records(self) -> list[Explained]:
        """All records, trace by trace."""
        return [one for trace in self.log.traces() for one in trace.records]

    def only(self) -> Trace:
        """The one trace that there is."""
        (trace,) = self.log.traces()
        return trace


def replayed(
    requests: Iterable[FileRequest],
    settings: Settings = PLAIN,
    settles: Callable[[], bool] = lambda: False,
) -> Replay:
    """Count recorded requests, settled at the end and after each request where that is wanted."""
    engine, log = _explaining(settings)
    for request in requests:
        engine.ingester.ingest_request(request.signal, request.encoding, request.body, "file")
        if settles():
            engine.ingester.settle_all()
    return _ended(engine, log)


def counted(
    *batches: list[RawSpan], logs: Iterable[RawLog] = (), settings: Settings = PLAIN
) -> Replay:
    """Count spans, settled after each batch; log records come with the first."""
    engine, log = _explaining(settings)
    told = list(logs)
    for spans in batches or ([],):
        engine.ingester.ingest_records(spans, told, "otlp_http")
        engine.ingester.settle_all()
        told = []
    return _ended(engine, log)


def _explaining(settings: Settings) -> tuple[Engine, DecisionLog]:
    engine, log = Engine(settings), DecisionLog(100_000)
    engine.ingester.explain_to(log)
    return engine, log


def _ended(engine: Engine, log: DecisionLog) -> Replay:
    engine.ingester.settle_all()
    return Replay(log, Samples(engine.exposition.render().body.decode()))
