"""The families about stores that the exporter reads; a part of the catalogue."""

from __future__ import annotations

from .family import Family, MetricType, Section

_NO_SOURCE = "no source is configured (`sources`)"


def _family(
    name: str, kind: MetricType, section: Section, unit: str, labels: tuple[str, ...], text: str,
    query: str, absent_when: str,
) -> Family:  # fmt: skip
    return Family(
        name, kind, section, unit, labels, text, query, expires=False, absent_when=absent_when
    )


def _source(
    name: str, kind: MetricType, unit: str, text: str, query: str, *labels: str
) -> Family:  # fmt: skip
    name = "llm_exporter_source_" + name
    return _family(
        name, kind, "Exporter", unit, ("source", *labels), text, query, _NO_SOURCE
    )  # fmt: skip


def _run(name: str, unit: str, text: str, query: str, *labels: str) -> Family:
    return _family(
        "llm_eval_run_" + name, "gauge", "Quality", unit, ("judge", "suite", *labels), text, query,
        "no source holds results of offline runs",
    )  # fmt: skip


PULLED_FAMILIES: tuple[Family, ...] = (
    _family(
        "llm_judge_revisions_total",
        "counter",
        "Quality",
        "",
        ("judge", "kind", "from", "to"),
        "Results that were counted and changed in their store afterwards. Corrected failures are "
        "those counted, plus changes to fail, less changes from fail.",
        "sum by (judge) (increase(llm_judge_revisions_total[1d]))",
        "no result that was read from a store has changed there",
    ),
    _run(
        "failure_ratio",
        "ratio",
        "Share of the cases of a suite's last offline run that failed, 0-1.",
        "max by (suite, judge) (llm_eval_run_failure_ratio) > 0.1",
    ),
    _run(
        "cases",
        "",
        "Cases of that run by verdict.",
        'max by (suite, judge) (llm_eval_run_cases{verdict="error"}) > 0',
        "verdict",
    ),
    _run(
        "timestamp_seconds",
        "seconds",
        "Unix time of the newest result of that run.",
        "time() - max by (suite) (llm_eval_run_timestamp_seconds)",
    ),
)
SOURCE_FAMILIES: tuple[Family, ...] = (
    _source(
        "up", "gauge", "",
        "Whether a store can be read: 0 at once where it refuses the credentials, else after "
        "three polls that failed.",
        "llm_exporter_source_up == 0",
    ),
    _source(
        "last_success_timestamp_seconds", "gauge", "seconds",
        "Unix time at which a store was last read to the end.",
        "time() - max by (source) (llm_exporter_source_last_success_timestamp_seconds)",
    ),
    _source(
        "lag_seconds", "gauge", "seconds",
        "Age of the newest row that a store had, in seconds: its own delay and a quiet hour both.",
        "max by (source) (llm_exporter_source_lag_seconds)",
    ),
    _source(
        "rows_total", "counter", "",
        "Rows read: traces, spans and scores, those that were read before among them.",
        "sum by (source) (rate(llm_exporter_source_rows_total[5m]))",
    ),
    _source(
        "unreadable_rows_total", "counter", "",
        "Rows left out because they are not what the system is known to write.",
        "sum by (source) (increase(llm_exporter_source_unreadable_rows_total[1h])) > 0",
    ),
    _source(
        "requests_total", "counter", "",
        "Requests to a store by the class of their status; failed: no whole answer.",
        'sum by (source, status) (rate(llm_exporter_source_requests_total{status!="2xx"}[5m]))',
        "status",
    ),
    _source(
        "splits_total", "counter", "",
        "Requests whose answer was too large, or too slow, and that were asked again in parts.",
        "sum by (source) (increase(llm_exporter_source_splits_total[1h]))",
    ),
    _source(
        "overlap_total", "counter", "",
        "Spans of calls that had been sent to the exporter before they were read from a store.",
        "sum by (source) (increase(llm_exporter_source_overlap_total[1h])) > 0",
    ),
)  # fmt: skip
