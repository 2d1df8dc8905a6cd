"""Each check of the numbers, from facts alone."""

from __future__ import annotations

from typing import Any

import pytest

from llm_trace_exporter.doctor import numbers
from llm_trace_exporter.doctor.facts import Exemplar, Missing, Page, Sample
from llm_trace_exporter.doctor.findings import Finding
from tests.doctor.facts import BUILD, NOW_S, SOURCE, facts

ONE = {"job": "llm", "instance": "exporter-0:9891"}
TWO = {"job": "llm", "instance": "exporter-1:9891"}


def bad(findings: Any) -> list[Finding]:
    return [f for f in findings if f.level != "ok"]


def only(findings: Any) -> Finding:
    (found,) = bad(findings)
    return found


def page(ahead_s: float | None) -> Page:
    return Page("http://x/metrics", "application/openmetrics-text", frozenset(), ahead_s)


@pytest.mark.parametrize("by_s", [6.0, -6.0])
def test_clocks_of_server_and_exporter(by_s: float) -> None:
    direction = "ahead of" if by_s > 0 else "behind"
    assert f"6s {direction}" in only(numbers.clocks(facts(ahead_s=by_s))).what
    assert f"6s {direction}" in only(numbers.clocks(facts(page=page(by_s)))).what


def test_clocks_that_nearly_agree() -> None:
    assert not bad(numbers.clocks(facts(ahead_s=4.0, page=page(None))))
    assert not bad(numbers.clocks(facts(page=page(-4.0))))


def test_times_that_are_not_yet() -> None:
    scraped = (Sample(ONE, NOW_S),)
    for question in ("started", "configured"):
        figures = {"scraped": scraped, question: (Sample(ONE, NOW_S + 30),)}
        found = only(numbers.clocks(facts(figures)))
        assert found.level == "problem" and "exporter-0:9891 is at least 30s ahead" in found.what
        figures = {"scraped": scraped, question: (Sample(ONE, NOW_S - 30),)}
        assert not bad(numbers.clocks(facts(figures)))
    exemplar = Exemplar("exporter-0:9891", "a", "b", NOW_S + 60)
    assert "1m ahead" in only(numbers.clocks(facts(exemplars=(exemplar,)))).what


@pytest.mark.parametrize(
    ("question", "value", "part"),
    [("lag_median", 3601.0, "1h1s late"), ("lag_mean", 0.0, "at the moment they arrive")],
)
def test_clocks_of_senders(question: str, value: float, part: str) -> None:
    assert part in only(numbers.clocks(facts({question: (Sample({}, value),)}))).what
    assert not bad(numbers.clocks(facts({question: (Sample({}, 5.0),)})))


def test_old_samples() -> None:
    assert "5m old" in only(numbers.fresh(facts({"age": (Sample(ONE, 300.0),)}))).what
    assert not bad(numbers.fresh(facts({"age": (Sample(ONE, 30.0),)})))


def twins(loaded: float, **differing: str) -> dict[str, tuple[Sample, ...]]:
    one, other = Sample(ONE, 1.0), Sample({**ONE, **differing}, 1.0)
    return {
        "exporters": (one, other),
        "configured": (Sample(one.labels, 100.5), Sample(other.labels, loaded)),
    }


def test_one_process_seen_twice() -> None:
    found = only(numbers.copies(facts(twins(100.5, job="again"))))
    assert "seen 2 times" in found.what and "differ by job" in found.why
    assert "deduplication" in only(numbers.copies(facts(twins(100.5, replica="b")))).do
    assert not bad(numbers.copies(facts(twins(101.5, job="again"))))


def exemplars(*told: tuple[str, str, str]) -> tuple[Exemplar, ...]:
    return tuple(Exemplar(instance, trace, span, NOW_S) for instance, trace, span in told)


PAIR = {"exporters": (Sample(ONE, 1.0), Sample(TWO, 1.0))}


def test_calls_counted_twice() -> None:
    both = exemplars(("0", "t", "s"), ("1", "t", "s"))
    found = only(numbers.copies(facts(PAIR, exemplars=both)))
    assert found.level == "problem" and found.where == ("0", "1")
    split = exemplars(("0", "t", "s"), ("1", "t", "r"))
    found = only(numbers.copies(facts(PAIR, exemplars=split)))
    assert found.level == "warning" and "spread" in found.what
    apart = exemplars(("0", "t", "s"), ("1", "u", "s"), ("0", "", ""), ("1", "", ""))
    assert not bad(numbers.copies(facts(PAIR, exemplars=apart)))


def counts(*pairs: tuple[float, float]) -> dict[str, tuple[Sample, ...]]:
    rows = [
        Sample({**source, "service": f"s{number}", "model": "m"}, value)
        for number, pair in enumerate(pairs)
        for source, value in zip((ONE, TWO), pair, strict=True)
    ]
    return {**PAIR, "calls_by_model": tuple(rows)}


def test_counts_that_are_too_much_alike() -> None:
    same = counts((100, 100), (250, 251), (40, 40))
    found = only(numbers.copies(facts(same)))
    assert found.level == "warning" and "for 3 models of services" in found.what
    assert only(numbers.copies(facts(same, exemplars=Missing("no such API")))).level == "warning"
    assert not bad(numbers.copies(facts(counts((100, 85), (250, 271), (40, 47)))))
    assert not bad(numbers.copies(facts(counts((100, 100), (250, 250)))))
    assert not bad(numbers.copies(facts(counts((5, 5), (2, 2), (1, 1)))))


@pytest.mark.parametrize(
    ("question", "sample", "level", "part"),
    [
        ("config_failed", Sample(ONE, 0.0), "problem", "configuration of exporter-0:9891"),
        ("security_failed", Sample({**ONE, "part": "tokens"}, 0.0), "problem", "tokens of exp"),
        ("state_errors", Sample({**ONE, "reason": "commit"}, 2.0), "problem", "9891 commit"),
        ("rejected", Sample({"source": "otlp_http", "reason": "too_large"}, 12.0), "warning",
         "12 requests over otlp_http were refused within an hour: too_large"),
        ("invalid", Sample({}, 3.0), "warning", "3 records with impossible"),
        ("overflow", Sample({"label": "feature"}, 7.0), "warning", 'became feature="other"'),
        ("full_labels", Sample({"label": "model"}, 0.92), "note", "model is at 92% of its cap"),
        ("full_series", Sample({"family": "llm_tokens_total"}, 0.9), "warning", "at 90%"),
        ("pending", Sample(ONE, 0.85), "warning", "holds 85%"),
        ("metrics_requests", Sample({}, 9.0), "note", "9 requests with OTLP metrics"),
        ("resets", Sample(ONE, 2.0), "warning", "started from 0 2 times"),
        ("prices_age", Sample({}, 61 * 86_400.0), "warning", "61 days old"),
        ("unpriced", Sample({"model": "mine"}, 4.0), "warning", "no price for 1 model"),
        ("in_memory", Sample(ONE, 1.0), "note", "in memory only"),
    ],
)  # fmt: skip
def test_what_the_exporter_says(question: str, sample: Sample, level: str, part: str) -> None:
    found = only(numbers.health(facts({question: (sample,)})))
    assert found.level == level and part in found.what
    assert found.do


def test_what_is_no_trouble() -> None:
    well = {
        "prices_age": (Sample({}, 59 * 86_400.0),),
        "rejected": (Sample({}, 0.001),),
        "versions": (BUILD,),
    }
    assert not bad(numbers.health(facts(well)))


def test_counters_that_start_anew() -> None:
    figures = {"resets": (Sample(ONE, 1.0),), "in_memory": (Sample(ONE, 1.0),)}
    assert "state.path" in only(numbers.health(facts(figures))).do
    del figures["in_memory"]
    assert "volume" in only(numbers.health(facts(figures))).do


def test_versions_that_differ() -> None:
    versions = (Sample({"version": "0.1.0"}, 1.0), Sample({"version": "0.2.0"}, 2.0))
    assert "0.1.0, 0.2.0" in only(numbers.health(facts({"versions": versions}))).what


@pytest.mark.parametrize(
    ("received", "calls", "part"),
    [(0, 0, "nothing has been received"), (7, 0, "no call was counted"), (7, 3, "")],
)
def test_traffic(received: float, calls: float, part: str) -> None:
    figures = {"received": (Sample(SOURCE, received),), "calls": (Sample(SOURCE, calls),)}
    found = list(numbers.traffic(facts(figures)))
    assert (part in found[0].what) if part else found[0].level == "ok"
    assert not list(numbers.traffic(facts({"exporters": ()})))


def test_log_records_alone_and_metrics_alone_are_no_silence() -> None:
    logs = (Sample(SOURCE, 12.0),)
    assert "12 log records arrived" in only(numbers.traffic(facts({"received_logs": logs}))).what
    metrics = (Sample({}, 9.0),)
    found = only(numbers.traffic(facts({"metrics_requests": metrics})))
    assert "only OTLP metrics" in found.what and found.level == "warning"
