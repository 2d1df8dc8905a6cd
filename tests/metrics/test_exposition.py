"""Both formats say the same, and everybody who should can read them."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text

from llm_trace_exporter.metrics.catalogue import FAMILIES
from llm_trace_exporter.metrics.exposition import Exposition, process_registry
from llm_trace_exporter.metrics.label_policy import clean_value
from llm_trace_exporter.metrics.labels_and_buckets import BUCKETS
from llm_trace_exporter.metrics.objectives import ObjectiveMetrics
from llm_trace_exporter.metrics.source_metrics import SourceMetrics
from llm_trace_exporter.model import Finding, Tokens
from llm_trace_exporter.pulled import Progress, Pull, Revision
from llm_trace_exporter.settled import CostLine, TraceSummary
from tests.draws import draws

NewMeter = Callable[..., Any]
parse_open: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families
OPEN = "application/openmetrics-text; version=1.0.0"
REQUESTS = "llm_requests_total"
DURATION = "llm_request_duration_seconds"
TRACE = TraceSummary(
    b"t" * 16, b"s" * 8, "shop", "", (), "POST /ask", failed=False, duration_s=2.0, llm_calls=3,
    tool_calls=1, tokens=400, cost_usd=0.02,
)  # fmt: skip
COST = (CostLine("input", "list", 0.002), CostLine("output", "list", 0.004))


@pytest.fixture(scope="module")
def full(new_meter: NewMeter) -> Any:
    """A meter with at least one series in every family that records can reach."""
    meter = new_meter(profiles=frozenset({"semconv", "openlit"}))
    meter.call(
        tokens=Tokens(10, 20, 0, 30, 5),
        streaming=True,
        ttft_s=0.3,
        finish_reasons=("stop",),
        response_model="gpt-4o-2024-08-06",
        gateway_events=(("retry", 2),),
        priced={"cost": COST, "assumptions": (("region", 0.006),)},
    )
    meter.call(priced={"unpriced": "unknown_model", "unpriced_tokens": (("input", 7),)})
    meter.call(priced={"unpriced": "no_usage"})
    meter.step("tool", "search")
    meter.step("retrieval", "docs", documents=4, top_score=0.8)
    meter.step("guardrail", "pii", guardrail_action="block")
    meter.verdict("fail", score=0.2, target_end_ns=2 * 10**18 - 5 * 10**9)
    meter.recorder.trace(TRACE)
    meter.verdict("fail", judge="secrets", findings=(Finding("aws_key", "output"),))
    ObjectiveMetrics(meter.store).targets([("error_ratio", {"service": "shop"}, 0.05)])
    money = {"limit_usd": 9.0, "spent_usd": 2.0, "forecast_usd": 5.0}
    money |= {"elapsed_ratio": 0.5, "usual_ratio": 0.6}
    ObjectiveMetrics(meter.store).budgets([("search", "monthly", money)])
    meter.agreement(agrees=True)
    meter.own.unmatched("unknown", 1)
    meter.feedback("negative")
    meter.recorder.judges({}, {}, {"faithful": 0.05})
    meter.judge.watch(["faithful"])
    meter.judge.ran("faithful", "ok", 1.5)
    meter.judge.show(queue_length=1, is_open=False, spent_usd=0.1, limit_usd=10)
    meter.own.spans_received("otlp_http", "openinference")
    meter.own.log_records_received("otlp_grpc", "")
    meter.own.metrics_request("otlp_http")
    meter.own.rejected("otlp_http", "not gzip")
    meter.own.ingest_duration("otlp_http", 0.01)
    meter.own.ingest_lags([2.0])
    meter.own.state_committed(0.001)
    meter.own.state_size(4096)
    meter.own.state_writable(True)
    meter.own.pending_calls(1, 100)
    meter.own.table_entries("spans", 10, 100)
    meter.own.in_flight("otlp_http", (1, 64), (1000, 10_000))
    meter.own.request_limit(5_000)
    meter.own.connections("otlp_http", 3, 2_048)
    meter.own.connection_closed("otlp_http", "crowded")
    meter.own.table_evicted("spans")
    meter.own.price_catalogue(1.79e9)
    meter.own.token_request("credit")
    meter.own.security_loaded("web", True)
    meter.own.config_loaded(True, 1.79e9)
    sources = SourceMetrics(meter.store)
    sources.watch("phoenix")
    revision = Revision("faithful", "llm", "fail", "pass")
    sources.pulled(Pull("phoenix", "phoenix/shop", 5, Progress(0, 0), revisions=(revision,)))
    sources.up("phoenix", True)
    sources.succeeded("phoenix", 1.79e9, 30.0)
    sources.run("faithful", "shop", {"pass": 3, "fail": 1}, 1.79e9)
    meter.page()
    return meter


def flat(families: Any) -> dict[tuple[str, Any], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in families
        for sample in metric.samples
        if not metric.name.startswith("llm_exporter_scrape")
    }


class TestFormats:
    def test_every_family_has_samples_help_type_and_unit(self, full: Any) -> None:
        parsed = full.families()
        assert list(parsed) == [family.base_name for family in FAMILIES]
        for family in FAMILIES:
            metric = parsed[family.base_name]
            assert metric.samples, family.name
            assert (metric.type, metric.documentation) == (family.type, family.help)
            assert metric.unit == family.unit

    def test_both_formats_hold_the_same_numbers(self, full: Any) -> None:
        assert flat(parse_text(full.page())) == flat(parse_open(full.page(OPEN)))

    def test_text_names_counters_with_total_and_ends_without_eof(self, full: Any) -> None:
        text = full.page()
        assert "# TYPE llm_requests_total counter\n" in text
        assert "# TYPE llm_exporter_build_info gauge\n" in text
        assert "# EOF" not in text and "# UNIT" not in text and " # {" not in text
        assert text.endswith("\n")

    def test_openmetrics_names_families_without_total(self, full: Any) -> None:
        text = full.page(OPEN)
        assert "# TYPE llm_tokens counter\n# UNIT llm_tokens tokens\n" in text
        assert "# TYPE llm_exporter_build info\n" in text
        assert text.endswith("\n# EOF\n")

    def test_promtool_finds_nothing_to_say(self, full: Any, promtool: str) -> None:
        run = subprocess.run(
            [promtool, "check", "metrics"],
            input=full.page(),
            check=False,
            capture_output=True,
            text=True,
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")

    def test_labels_of_an_empty_value_are_left_out(self, full: Any) -> None:
        line = next(x for x in full.page().split("\n") if x.startswith(REQUESTS + "{"))
        assert "purpose=" not in line and "error_type=" not in line and '=""' not in line

    def test_numbers_read_as_prometheus_client_writes_them(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        for duration_s in (0.05, 0.1, 7, 600_000, 123.456):
            meter.call(end_ns=10**18 + round(duration_s * 1e9))
        registry = CollectorRegistry()
        theirs = Histogram(DURATION, "x", registry=registry, buckets=BUCKETS["seconds"])
        for duration_s in (0.05, 0.1, 7, 600_000, 123.456):
            theirs.observe(duration_s)
        ours = meter.page(names=(DURATION,))
        without_labels = re.sub(r'service=.*?feature="[^"]*",?', "", ours).replace("{}", "")
        expected = generate_latest(registry).decode().split("# HELP " + DURATION + "_created")[0]
        assert without_labels.split("\n")[2:] == expected.split("\n")[2:]


class TestLabelValues:
    @pytest.mark.dear
    @draws(60)
    @given(value=st.text(st.characters(), max_size=20) | st.text('\\"\nn{},= #', max_size=8))
    def test_any_value_survives_both_formats(self, new_meter: NewMeter, value: str) -> None:
        meter = new_meter()
        meter.call(origin={"service": value, "dimensions": (value,)})
        shown = clean_value(value)
        for parse, accept in ((parse_text, ""), (parse_open, OPEN)):
            samples = [
                sample
                for metric in parse(meter.page(accept))
                for sample in metric.samples
                if sample.name == REQUESTS and sample.labels["outcome"] == "ok"
            ]
            assert [s.labels.get("service", "") for s in samples] == [shown]
            assert [s.labels.get("feature", "") for s in samples] == [shown]

    def test_escapes_are_exact(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(origin={"service": 'a"b\\c\\n'})
        assert r'service="a\"b\\c\\n"' in meter.page()
        assert r'service="a\"b\\c\\n"' in meter.page(OPEN)

    def test_a_stray_surrogate_in_an_own_label_does_no_harm(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.own.rejected("otlp_http", "bad \udcff\nline")
        assert r'reason="bad ?\nline"' in meter.page(OPEN)


class TestExemplars:
    def test_histograms_point_to_the_last_trace_of_each_bucket(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(origin={"trace_id": b"\xaa" * 16})
        meter.call(origin={"trace_id": b"\xbb" * 16, "span_id": b""})
        meter.call(end_ns=10**18 + 9_000_000_000)
        marked = {
            sample.labels["le"]: sample.exemplar
            for sample in meter.families()[DURATION].samples
            if sample.exemplar
        }
        assert marked["2.0"].labels == {"trace_id": "bb" * 16}
        assert (marked["2.0"].value, float(marked["2.0"].timestamp)) == (1.5, 1_790_000_000.0)
        assert marked["15.0"].labels == {
            "trace_id": "000102030405060708090a0b0c0d0e0f",
            "span_id": "0001020304050607",
        }
        assert set(marked) == {"2.0", "15.0"}

    def test_only_the_families_marked_so_carry_them(self, full: Any) -> None:
        carrying = {
            name
            for name, metric in full.families().items()
            if any(sample.exemplar for sample in metric.samples)
        }
        assert carrying == {family.base_name for family in FAMILIES if family.exemplars}

    def test_only_failed_verdicts_carry_them(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        for verdict in ("pass", "fail", "error"):
            meter.verdict(verdict)
        samples = meter.families()["llm_judge_verdicts"].samples
        assert [s.labels["verdict"] for s in samples if s.exemplar] == ["fail"]

    def test_a_record_outside_a_trace_leaves_none(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.call(origin={"trace_id": b"", "span_id": b""})
        meter.call(origin={"trace_id": b"x" * 500})
        assert "trace_id" not in meter.page(OPEN)


class TestWeights:
    @pytest.mark.dear
    @draws(30)
    @given(st.lists(st.floats(1, 50), min_size=1, max_size=10))
    def test_bucket_counts_are_whole_and_counters_exact(
        self, new_meter: NewMeter, weights: list[float]
    ) -> None:
        meter = new_meter()
        for weight in weights:
            meter.call(weight=weight)
        assert meter.total(REQUESTS) == pytest.approx(sum(weights))
        assert meter.total(DURATION + "_sum") == pytest.approx(1.5 * sum(weights))
        assert abs(meter.total(DURATION + "_count") - sum(weights)) <= 0.5 + 1e-6


class TestFilter:
    def test_a_family_by_either_of_its_names(self, full: Any) -> None:
        for name in ("llm_tokens", "llm_tokens_total"):
            for accept in ("", OPEN):
                parse = parse_open if accept else parse_text
                assert [m.name for m in parse(full.page(accept, (name,)))] == ["llm_tokens"]

    def test_a_histogram_whole_or_one_kind_of_its_samples(self, full: Any) -> None:
        whole = full.page(names=(DURATION,))
        assert {f"{DURATION}_bucket", f"{DURATION}_sum", f"{DURATION}_count"} == {
            line.split("{")[0] for line in whole.splitlines() if line[0] != "#"
        }
        count = full.page(names=(DURATION + "_count",))
        lines = [line for line in count.splitlines() if line[0] != "#"]
        assert lines and all(line.startswith(DURATION + "_count{") for line in lines)
        assert f"# TYPE {DURATION} histogram" in count

    def test_unknown_names_give_an_empty_page(self, full: Any) -> None:
        assert full.page(names=("nonsense",)) == ""
        assert full.page(OPEN, ("nonsense",)) == "# EOF\n"

    def test_a_filtered_page_is_not_a_scrape(self, new_meter: NewMeter) -> None:
        meter = new_meter()
        meter.page(names=(REQUESTS,))
        assert "\nllm_exporter_scrape_bytes " not in meter.page()
        size = len(meter.page().encode())
        assert meter.total("llm_exporter_scrape_bytes") == pytest.approx(size, abs=300)


class TestCollectors:
    @pytest.fixture
    def page(self, full: Any) -> Callable[..., str]:
        exposition = Exposition(full.store, full.own, registry=process_registry())
        return lambda accept="", names=(): exposition.render(accept, names).body.decode()

    @pytest.mark.parametrize("accept", ["", OPEN])
    def test_process_metrics_follow(self, page: Callable[..., str], accept: str) -> None:
        parse = parse_open if accept else parse_text
        names = [metric.name for metric in parse(page(accept))]
        assert {"process_cpu_seconds", "python_info", "python_gc_collections"} & set(names)
        assert names[0] == "llm_requests"

    @pytest.mark.parametrize(
        "name", ["process_cpu_seconds", "process_cpu_seconds_total", "python_gc_collections"]
    )
    def test_the_filter_holds_for_them_too(self, page: Callable[..., str], name: str) -> None:
        found = [metric.name for metric in parse_open(page(OPEN, (name,)))]
        assert found == [name.removesuffix("_total")]

    def test_promtool_accepts_the_whole_page(self, page: Any, promtool: str) -> None:
        run = subprocess.run(
            [promtool, "check", "metrics"],
            input=page(),
            check=False,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stdout + run.stderr


class TestCreated:
    def test_off_by_default(self, full: Any) -> None:
        assert "_created" not in full.page(OPEN)

    def test_on_it_tells_when_a_series_was_born(self, new_meter: NewMeter) -> None:
        meter = new_meter(created=True)
        meter.clock.now_s += 100
        meter.call()
        meter.clock.now_s += 50
        born = {s.name: s.value for f in meter.families().values() for s in f.samples}
        assert born["llm_requests_created"] == born[DURATION + "_created"] == 1_789_999_950
        assert "_created" not in meter.page()


class TestWork:
    def test_before_runs_ahead_of_every_page(self, full: Any) -> None:
        exposition = Exposition(
            full.store, full.own, before=lambda: full.own.pending_calls(77, 100)
        )
        assert b"llm_exporter_pending_calls 77.0\n" in exposition.render().body

    def test_a_stream_is_the_page_in_pieces(self, new_meter: NewMeter) -> None:
        meter = new_meter(default_cap=1000)
        for i in range(300):
            meter.call(origin={"service": f"s{i}"})
        stream = meter.exposition.stream(OPEN, (DURATION, REQUESTS))
        pieces = list(stream.chunks)
        page = meter.exposition.render(OPEN, (DURATION, REQUESTS))
        assert len(pieces) > 2
        assert b"".join(pieces) == page.body
        assert stream.content_type == page.content_type

    @pytest.mark.dear
    def test_scrapes_while_records_come_in_are_consistent(self, new_meter: NewMeter) -> None:
        meter = new_meter(default_cap=1000)
        stop = threading.Event()

        def feed() -> None:
            n = 0
            while not stop.is_set():
                meter.call(origin={"service": f"s{n % 200}"})
                n += 1

        feeders = [threading.Thread(target=feed) for _ in range(2)]
        for feeder in feeders:
            feeder.start()
        seen = [meter.total(DURATION + "_count") for _ in range(5)]
        stop.set()
        for feeder in feeders:
            feeder.join()
        assert seen == sorted(seen)
        assert meter.total(REQUESTS) == meter.total(DURATION + "_count") >= seen[-1]

    def test_it_is_many_times_faster_than_prometheus_client(self, new_meter: NewMeter) -> None:
        meter = new_meter(default_cap=1000)
        registry = CollectorRegistry()
        names = ("service", "environment", "provider", "model", "operation", "outcome", "feature")
        theirs = Histogram("x_seconds", "x", names, registry=registry, buckets=BUCKETS["seconds"])
        for i in range(300):
            meter.call(origin={"service": f"s{i}"})
            values = (f"s{i}", "prod", "openai", "gpt-4o", "chat", "ok", "search")
            theirs.labels(*values).observe(1.5)

        def best(work: Callable[[], object]) -> float:
            times = []
            for _ in range(3):
                started = time.perf_counter()
                work()
                times.append(time.perf_counter() - started)
            return min(times)

        ours_s = best(lambda: meter.exposition.render(OPEN, (DURATION,)))
        assert best(lambda: generate_latest(registry)) > 5 * ours_s
