"""A capture counts in an application as it does in the exporter: each sample of each family."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from llm_trace_exporter.config import Settings
from llm_trace_exporter.inprocess import LLMMetricsLogProcessor, LLMMetricsSpanProcessor
from tests.inprocess.rebuilt import CORPUS, ended, is_protobuf
from tests.test_corpus import TRUSTING, replayed

SOURCES = sorted(path.parent.name for path in CORPUS.glob("*/truth.json"))
REPLAYED = [source for source in SOURCES if is_protobuf(source)]
OF_THE_MOMENT = re.compile(
    r"(process|python)_|llm_exporter_(ingest|scrape)_|llm_exporter_price_catalog|"
    r"llm_exporter_build_info|llm_exporter_metrics_requests|"
    r'llm_exporter_series{family="llm_exporter_metrics_requests'
)
"""How long work took, what the process is, and OTLP metrics, which nobody sends within it."""


def samples(page: str) -> dict[str, float]:
    """The samples that two replays share, by name and labels in one order."""
    found = {}
    for line in page.splitlines():
        if line.startswith("#") or OF_THE_MOMENT.match(line):
            continue
        series, value = line.rsplit(" ", 1)
        name, _, labels = series.partition("{")
        told = sorted(re.findall(r'\w+="(?:[^"\\]|\\.)*"', labels))
        shown = [label for label in told if label != 'source="file"']
        shown = [label for label in shown if label != 'source="in_process"']
        found[f"{name} {shown}"] = float(value)
    return found


def counted(records: Iterable[object], settings: Settings) -> CollectorRegistry:
    """The registry of an application that has ended these."""
    registry = CollectorRegistry()
    spans = LLMMetricsSpanProcessor(settings, registry=registry)
    logs = LLMMetricsLogProcessor(spans)
    for record in records:
        if isinstance(record, ReadableSpan):
            spans.on_end(record)
        else:
            logs.on_emit(record)  # type: ignore[arg-type]
    spans.shutdown()
    return registry


@pytest.mark.parametrize("source", REPLAYED)
def test_a_capture_counts_as_in_the_exporter(source: str) -> None:
    exporters = samples(replayed(source))
    registry = counted(ended(source), TRUSTING)
    assert samples(generate_latest(registry).decode()) == exporters


def test_most_captures_are_replayed() -> None:
    assert len(REPLAYED) >= 95


def test_exemplars_lead_to_traces() -> None:
    rendered: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest
    page = rendered(counted(ended("otel-genai-openai"), TRUSTING)).decode()
    mark = r'# {span_id="\w{16}",trace_id="\w{32}"} \S+ \d+\.\d+$'
    assert re.search(
        rf"^llm_request_duration_seconds_bucket{{.*}} \d+\.0 {mark}", page, re.MULTILINE
    )
