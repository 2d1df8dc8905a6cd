"""One written history in which every panel has something to show."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from dashboards.draw import rules
from dashboards.promql import RECORDED
from llm_trace_exporter.metrics.exporter_metrics import ExporterMetrics
from llm_trace_exporter.metrics.judge_metrics import JudgeMetrics
from llm_trace_exporter.metrics.objectives import ObjectiveMetrics
from llm_trace_exporter.metrics.source_metrics import SourceMetrics
from llm_trace_exporter.metrics.store import Store
from llm_trace_exporter.pulled import Progress, Pull, Revision
from llm_trace_exporter.simulate.archive import Archive
from tests.e2e.process import ROOT, run
from tests.e2e.prometheus import Prometheus, holding

CONFIG = Path(__file__).with_name("history.yml")
END = "2026-03-04T12:00:00"
END_S = 1_772_625_600
HOURS = 6
STEP_S = 120
INCIDENTS = (
    "provider-errors@-5h+1h",
    "prompt-injection@-4h+1h",
    "tool-failure@-4h+30m",
    "agent-loop@-210m+20m",
    "truncation@-200m+20m",
    "refusals@-200m+20m",
    "retrieval-empty@-3h+40m",
    "retry-storm@-3h+30m",
    "fallback-storm@-150m+20m",
    "provider-outage@-140m+15m",
    "duplicates@-2h+10m",
    "ingest-lag@-100m+10m",
    "malformed-requests@-80m+10m",
    "unpriced-model@-60m+20m",
    "stray-results@-50m+20m",
    "label-flood@-30m+5m",
)
"""What a healthy history would leave empty."""

LISTENER = {"job": "llm-trace-exporter", "instance": "exporter-1:9891"}
_ALERT = 'ALERTS{alertname="LLMErrorRatioHigh",alertstate="firing",severity="critical"} 1 '


def write_blocks(folder: Path) -> Path:
    """A Prometheus' data: simulated traffic, and what only a listening exporter tells."""
    blocks = folder / "blocks"
    traffic, listening = folder / "traffic.om", folder / "listening.om"
    run(
        "simulate", f"--openmetrics={traffic}", f"--history={HOURS}h", f"--step={STEP_S}s",
        f"--end={END}", "--profile=small", "--rate=0.1", f"--config.file={CONFIG}",
        "--job=llm-trace-exporter", "--instance=exporter-0:9891",
        *(f"--incident={written}" for written in INCIDENTS),
    )  # fmt: skip
    _write_listening(listening)
    for file in (traffic, listening):
        rules.write_blocks(file, blocks)
    return blocks


def record(blocks: Path, folder: Path, start_s: int, end_s: int) -> None:
    """Add what panels read of what rules record."""
    window = rules.Window(start_s, end_s)
    wanted = rules.needed(rules.read_rules(ROOT / "alerts"), RECORDED)
    for number, level in enumerate(rules.levels(wanted)):
        file = folder / "recorded.om"
        with holding(blocks, folder / f"level-{number}") as prometheus, file.open("w") as target:
            target.writelines(rules.lines(_asking(prometheus), level, window))
            target.write("# EOF\n")
        rules.write_blocks(file, blocks)


def _asking(prometheus: Prometheus) -> rules.Ask:
    return lambda path, asked: prometheus.api(path, **asked)["result"]


def _count(store: Store, name: str, **labels: str) -> None:
    family = store.counters(name)
    assert labels.keys() <= set(family.label_names)
    shown = tuple(labels.get(label, "") for label in family.label_names)
    family.get(shown).add(1, store.clock())


def _write_listening(path: Path) -> None:
    """What a simulation does not have, from the code that counts it.

    It asks no judge, listens nowhere, has no texts for content rules and too few names for a cap;
    an alert that fires stands for those of rules.
    """
    now = [float(END_S - HOURS * 3600 - STEP_S)]
    store = Store(clock=lambda: now[0])
    judge, own = JudgeMetrics(store), ExporterMetrics(store, "0")
    sources = SourceMetrics(store)
    page = Pull("phoenix", "phoenix/shop", 40, Progress(0, 0), overlap=1)
    page = replace(page, revisions=(Revision("grounded", "llm", "fail", "pass"),))
    sources.watch("phoenix")
    judge.watch(["grounded"])
    with Archive(path, LISTENER) as archive:
        for at_s in range(END_S - HOURS * 3600, END_S + 1, STEP_S):
            now[0] = float(at_s)
            for number in range(10):
                judge.eligible("grounded", 1)
                judge.ran("grounded", "ok" if number else "timeout", 1.5)
            judge.cost("grounded", 0.002)
            judge.cost("grounded", None)
            judge.show(queue_length=3, is_open=at_s % 7200 == 0, spent_usd=2.5, limit_usd=10.0)
            own.in_flight("otlp_http", (3, 64), (90_000, 64 << 20))
            own.token_request("checkout")
            own.table_evicted("traces")
            own.state_failed("commit")
            own.background_failed("price_update")
            own.rejected("otlp_http", "too_large")
            own.state_committed(0.002)
            own.state_size(4 << 20)
            own.state_writable(True)
            own.request_limit(32 << 20)
            own.connections("otlp_http", 30, 2_048)
            own.connection_closed("otlp_http", "crowded")
            own.clock_jumped("back")
            _count(store, "llm_exporter_implausible_values_total", field="call")
            own.unreadable_numbers("semconv", 1)
            own.discarded("unknown_kind", 1, 150, dialect="semconv")
            _count(store, "llm_repriced_requests_total", service="support-bot", model="gpt-4o",
                   reason="no_usage")  # fmt: skip
            for direction in ("input", "output"):
                _count(store, "llm_content_findings_total", service="support-bot",
                       detector="secrets", category="aws_key", direction=direction)  # fmt: skip
            _count(store, "llm_exporter_label_overflow_total", label="feature")
            own.security_loaded("tokens", is_success=True)
            # A day of traffic is no week, without which nothing is forecast.
            forecast = {"forecast_usd": 7_000.0, "usual_ratio": 0.1}
            ObjectiveMetrics(store).budgets([("everything", "monthly", forecast)])
            sources.pulled(page)
            sources.requested("phoenix", "2xx")
            sources.split("phoenix")
            sources.unread("phoenix", 1)
            sources.up("phoenix", is_up=True)
            sources.succeeded("phoenix", at_s - 20.0, 45.0)
            sources.run("grounded", "shop", {"pass": 17, "fail": 3}, at_s - 4000.0)
            archive.scrape(at_s, store)
        archive.write()
    lines = path.read_text().removesuffix("# EOF\n")
    alerts = "".join(f"{_ALERT}{END_S - age_s}\n" for age_s in range(3600, -1, -STEP_S))
    path.write_text(f"{lines}# TYPE ALERTS gauge\n{alerts}# EOF\n")
