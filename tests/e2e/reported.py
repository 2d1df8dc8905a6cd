"""What an exporter in trouble tells of itself, from the code that counts it."""

from __future__ import annotations

from pathlib import Path

from llm_trace_exporter.metrics.exporter_metrics import ExporterMetrics
from llm_trace_exporter.metrics.judge_metrics import JudgeMetrics
from llm_trace_exporter.metrics.source_metrics import SourceMetrics
from llm_trace_exporter.metrics.store import Store
from llm_trace_exporter.simulate.archive import Archive

_LABELS = {"job": "llm-trace-exporter", "instance": "troubled"}
_STEP_S, _DAY_S, _HISTORY_S = 60, 86_400, 4_200
_TROUBLE_S = 3_000
_JUDGE = "grounded"


def write_reported(path: Path, end_s: int) -> None:
    """Some minutes of yesterday, then a quiet while and trouble that lasts until the end."""
    now = [0.0]
    store = Store(clock=lambda: now[0])
    own, judge = ExporterMetrics(store, "0.0.1"), JudgeMetrics(store)
    judge.watch([_JUDGE])
    sources = SourceMetrics(store)
    yesterday = range(end_s - _DAY_S - 600, end_s - _DAY_S + 600, _STEP_S)
    today = range(end_s - _HISTORY_S, end_s + 1, _STEP_S)
    with Archive(path, _LABELS) as archive:
        for at_s in (*yesterday, *today):
            now[0] = float(at_s)
            own.state_size(300 << 20)
            own.state_committed(0.01)
            judge.ran(_JUDGE, "ok", 1.0)
            is_well = at_s <= end_s - _TROUBLE_S
            sources.up("phoenix", is_well)
            sources.up("mlflow", is_up=True)
            if is_well:
                sources.succeeded("mlflow", at_s, 30.0)
            if at_s > end_s - _TROUBLE_S:
                _trouble(own, judge)
            archive.scrape(at_s, store)
        archive.write()


def _trouble(own: ExporterMetrics, judge: JudgeMetrics) -> None:
    own.state_failed("commit")
    for _ in range(15):
        own.state_committed(0.9)
    own.state_size(700 << 20)
    own.scraped(7.0, 1 << 20)
    own.in_flight("otlp_http", (60, 64), (1 << 20, 64 << 20))
    own.background_failed("expire")
    own.clock_jumped("back")
    own.discarded("unknown_kind", 500, 75_000)
    own.security_loaded("tokens", is_success=False)
    for _ in range(4):
        judge.ran(_JUDGE, "timeout", 30.0)
        judge.ran(_JUDGE, "skipped", None)
    judge.cost(_JUDGE, 10.0)
    judge.cost(_JUDGE, None)
    judge.show(queue_length=900, is_open=True, spent_usd=10.0, limit_usd=10.0)
