"""The processors within an application: what they count, drop, survive and never do."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from llm_trace_exporter.dialects import RecordParser
from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.inprocess import LLMMetricsLogProcessor, LLMMetricsSpanProcessor
from llm_trace_exporter.inprocess import counting as counting_module
from llm_trace_exporter.model import ParsedRecord
from llm_trace_exporter.otlp.records import RawSpan
from tests.facts import Samples

CALL: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 20,
}
REJECTED = "llm_exporter_requests_rejected_total"


class Application:
    """A tracer with the processor, and what its page says."""

    def __init__(self, **options: Any) -> None:
        self.registry = CollectorRegistry()
        options = {"zero_hold_s": 0.0, **options}
        self.processor = LLMMetricsSpanProcessor(registry=self.registry, **options)
        self.provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        self.provider.add_span_processor(self.processor)
        self.tracer: Tracer = self.provider.get_tracer("app")

    def call(self, **attributes: Any) -> None:
        with self.tracer.start_as_current_span("chat", attributes={**CALL, **attributes}):
            pass

    @property
    def page(self) -> Samples:
        return Samples(generate_latest(self.registry).decode())


@pytest.fixture
def app() -> Iterator[Application]:
    application = Application()
    yield application
    application.provider.shutdown()


def test_one_line_counts_calls_tokens_and_dollars(app: Application) -> None:
    for _ in range(3):
        app.call()
    assert app.processor.force_flush()
    page = app.page
    assert page.total("llm_requests_total", service="shop", outcome="ok") == 3
    assert page.total("llm_tokens_total", type="input", model="gpt-4o-mini") == 300
    assert page.total("llm_cost_usd_total", cost_source="list") == pytest.approx(3 * 27e-6)
    assert page.total("llm_exporter_spans_received_total", source="in_process") == 3


def test_a_call_that_is_reported_twice_counts_once(app: Application) -> None:
    with app.tracer.start_as_current_span("outer", attributes={**CALL, "llm.vendor": "x"}):
        app.call()
    assert app.provider.force_flush()
    assert app.page.total("llm_requests_total") == 1


def test_what_waits_settles_by_itself() -> None:
    app = Application(decision_wait_s=0.1)
    app.call()
    deadline_s = time.monotonic() + 20
    while not app.page.total("llm_requests_total") and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert app.page.total("llm_requests_total") == 1
    app.provider.shutdown()


def test_shutdown_counts_what_waits_and_ends_the_thread(app: Application) -> None:
    app.call()
    app.provider.shutdown()
    assert app.page.total("llm_requests_total") == 1
    assert app.page.total("llm_traces_total") == 1
    app.processor.on_end(_ended(app))
    assert app.page.total(REJECTED, reason="overloaded", source="in_process") == 1
    assert app.page.total("llm_requests_total") == 1


def _ended(app: Application) -> ReadableSpan:
    span = app.tracer.start_span("chat", attributes=CALL)
    assert isinstance(span, ReadableSpan)
    return span


def test_a_full_queue_drops_and_counts() -> None:
    app = Application(max_queue=10)
    with app.processor.counting._turn:  # the thread is kept from its turn
        for _ in range(25):
            app.call()
    assert app.processor.force_flush()
    page = app.page
    assert page.total("llm_requests_total") == 10
    assert page.total(REJECTED, source="in_process", reason="overloaded") == 15
    app.provider.shutdown()


def test_threads_lose_nothing(app: Application) -> None:
    def work() -> None:
        for _ in range(300):
            app.call()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert app.processor.force_flush()
    page = app.page
    assert page.total("llm_requests_total") == 2_400
    assert page.total(REJECTED) == 0


def test_calls_never_wait_for_counting(app: Application) -> None:
    app.call()
    with app.processor.counting.engine.store.lock, app.processor.counting._turn:
        done = threading.Thread(target=app.call)
        done.start()
        done.join(10)
        assert not done.is_alive()


def test_a_flush_that_has_no_time_says_so(app: Application) -> None:
    app.call()
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with app.processor.counting._turn:
            held.set()
            go.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    assert not app.processor.force_flush(10)
    go.set()
    holder.join()
    assert app.processor.force_flush()


def test_a_record_that_cannot_be_read_takes_no_other_along(app: Application) -> None:
    class Odd:
        """Neither a span nor a log record."""

    app.call()
    app.processor.counting.put(Odd())  # type: ignore[arg-type]
    app.call()
    assert app.processor.force_flush()
    page = app.page
    assert page.total("llm_requests_total") == 2
    assert page.total(REJECTED, source="in_process", reason="internal") == 1


def test_a_record_that_cannot_be_counted_takes_no_other_along(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours: it is counted, and the thread lives on."""
    read = RecordParser.span

    def broken(parser: RecordParser, span: RawSpan) -> ParsedRecord:
        if span.name == "odd":
            raise ZeroDivisionError
        return read(parser, span)

    monkeypatch.setattr(RecordParser, "span", broken)
    for name in ("chat", "odd", "chat"):
        with app.tracer.start_as_current_span(name, attributes=CALL):
            pass
    assert app.processor.force_flush()
    assert app.page.total("llm_requests_total") == 2
    assert app.page.total(REJECTED, source="in_process", reason="internal") == 1


def test_spans_without_a_time_are_invalid(app: Application) -> None:
    context = _ended(app).context
    app.processor.on_end(ReadableSpan("chat", context, attributes=CALL))
    assert app.processor.force_flush()
    assert app.page.total("llm_exporter_discarded_total", reason="invalid") == 1


@pytest.mark.parametrize(
    ("written", "shown"),
    [("caf\u00e9", "caf\u00e9"), ("a\ud800b", "a?b"), ('say"\\n"', 'say"\\n"')],
    ids=["unicode", "surrogate", "escaped"],
)
def test_the_page_of_the_application_survives_any_text(
    app: Application, written: str, shown: str
) -> None:
    app.call(**{"gen_ai.request.model": written, "gen_ai.response.model": written})
    assert app.processor.force_flush()
    assert set(app.page.by("llm_requests_total", "model")) == {shown}


def test_numbers_that_otlp_cannot_hold_are_left_out(app: Application) -> None:
    app.call(**{"gen_ai.usage.input_tokens": 2**70})
    assert app.processor.force_flush()
    assert app.page.total("llm_requests_total") == 1
    assert app.page.total("llm_tokens_total", type="input") == 0


def test_spans_that_are_not_sampled_do_not_count() -> None:
    app = Application()
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(app.processor)
    with provider.get_tracer("app").start_as_current_span("chat", attributes=CALL):
        pass
    assert app.processor.force_flush()
    assert app.page.total("llm_exporter_spans_received_total") == 0
    provider.shutdown()


def test_results_come_as_events(app: Application) -> None:
    provider = LoggerProvider()
    provider.add_log_record_processor(LLMMetricsLogProcessor(app.processor))
    with app.tracer.start_as_current_span("chat", attributes=CALL):
        provider.get_logger("judge").emit(
            severity_number=SeverityNumber.INFO,
            event_name="gen_ai.evaluation.result",
            attributes={
                "gen_ai.evaluation.name": "polite",
                "gen_ai.evaluation.score.label": "fail",
            },
        )
    assert app.provider.force_flush()
    assert app.page.total("llm_judge_verdicts_total", judge="polite", verdict="fail") == 1
    assert provider.force_flush()
    provider.shutdown()


def test_a_configuration_file_is_the_exporters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, state = tmp_path / "llm.yml", tmp_path / "state.db"
    dimensions = "dimensions: [{label: shop, keys: [shop]}]"
    file.write_text(f"zero_hold: 0s\nstate: {{path: {state}}}\n{dimensions}\n")
    app = Application(config=file)
    app.call(shop="berlin")
    assert app.processor.force_flush()
    assert app.page.total("llm_requests_total", shop="berlin") == 1
    assert not state.exists()
    assert caplog.messages == ["state: not used in an application"]
    app.provider.shutdown()


def test_what_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "llm.yml"
    file.write_text("decision_wait: soon\n")
    with pytest.raises(ConfigError, match="decision_wait"):
        LLMMetricsSpanProcessor(file, registry=None)
    with pytest.raises(TypeError):
        LLMMetricsSpanProcessor(registry=None, decision_weight=1)


def test_two_in_one_registry_are_refused() -> None:
    app = Application()
    with pytest.raises(ValueError, match="Duplicated"):
        LLMMetricsSpanProcessor(registry=app.registry)


def test_a_forked_process_counts_its_own(app: Application) -> None:
    app.call()
    read, write = os.pipe()
    with app.processor.counting._turn:  # held by nobody in the child
        child = os.fork()
    if child == 0:
        app.call()
        app.call()
        done = app.processor.force_flush(5_000)
        os.write(write, f"{done} {app.page.total('llm_requests_total'):g}".encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100) == b"True 2"
    assert app.processor.force_flush()
    assert app.page.total("llm_requests_total") == 1


def test_processes_are_forked_in_the_middle_of_load() -> None:
    """Whatever lock is held at that moment, the child counts."""
    app = Application()
    is_over = threading.Event()

    def load() -> None:
        while not is_over.wait(0.0005):
            app.call()

    callers = [threading.Thread(target=load) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        for _ in range(10):
            child = os.fork()
            if child == 0:
                app.call()
                done = app.processor.force_flush(5_000)
                os._exit(0 if done and app.page.total("llm_requests_total") == 1 else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        is_over.set()
        for caller in callers:
            caller.join()
        app.provider.shutdown()


def test_the_queue_wakes_the_thread_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting_module, "TICK_S", 60.0)
    app = Application(max_queue=100)
    app.call()
    for _ in range(60):
        app.call()
    deadline_s = time.monotonic() + 20
    while app.processor.counting._queue and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert len(app.processor.counting._queue) < 60
    app.provider.shutdown()
