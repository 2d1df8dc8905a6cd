"""The families that the exporter reports about itself; a part of the catalogue."""

from __future__ import annotations

from .family import Family, MetricType
from .labels_and_buckets import DISCARD_REASONS, STATE_ERRORS, UNJOINED_REASONS


def _exporter(
    name: str, kind: MetricType, unit: str, labels: tuple[str, ...], text: str, query: str,
    *, buckets: str = "", reasons: tuple[str, ...] = (), absent_when: str = "",
) -> Family:  # fmt: skip
    full = "llm_exporter_" + name
    return Family(
        full, kind, "Exporter", unit, labels, text, query,
        buckets=buckets, reasons=reasons, expires=False, absent_when=absent_when,
    )  # fmt: skip


EXPORTER_FAMILIES: tuple[Family, ...] = (
    _exporter(
        "build_info", "info", "", ("version", "python", "engine"),
        "Always 1; its labels say what is running.",
        "count by (version) (llm_exporter_build_info)",
    ),
    _exporter(
        "spans_received_total", "counter", "", ("source", "dialect"),
        "Spans taken in, by the convention that read them.",
        "sum by (dialect) (rate(llm_exporter_spans_received_total[5m]))",
    ),
    _exporter(
        "log_records_received_total", "counter", "", ("source", "dialect"),
        "Log records taken in, by the convention that read them.",
        "sum by (dialect) (rate(llm_exporter_log_records_received_total[5m]))",
        absent_when="no log record has come",
    ),
    _exporter(
        "metrics_requests_total", "counter", "", ("source",),
        "OTLP metrics requests answered and not consumed: the numbers come from traces.",
        "sum by (source) (rate(llm_exporter_metrics_requests_total[5m]))",
    ),
    _exporter(
        "requests_rejected_total", "counter", "", ("source", "reason"),
        "Whole requests refused; nothing of them was counted.",
        "sum by (source, reason) (rate(llm_exporter_requests_rejected_total[5m]))",
    ),
    _exporter(
        "token_requests_total", "counter", "", ("token",),
        "Requests let in, by the token of their sender.",
        "sum by (token) (rate(llm_exporter_token_requests_total[5m]))",
        absent_when="senders have no tokens (`otlp.tokens`)",
    ),
    _exporter(
        "requests_in_flight", "gauge", "", ("source",),
        "Complete OTLP requests that wait to be counted.",
        "llm_exporter_requests_in_flight / llm_exporter_requests_in_flight_limit",
    ),
    _exporter(
        "requests_in_flight_limit", "gauge", "", ("source",),
        "OTLP requests that may be under way; past it senders are asked to come again.",
        "llm_exporter_requests_in_flight >= llm_exporter_requests_in_flight_limit",
    ),
    _exporter(
        "request_bytes_in_flight", "gauge", "", ("source",),
        "Bytes of the bodies of these requests.",
        "llm_exporter_request_bytes_in_flight / llm_exporter_request_bytes_in_flight_limit",
    ),
    _exporter(
        "request_bytes_in_flight_limit", "gauge", "", ("source",),
        "Bytes of bodies that may be under way; past it senders are asked to come again.",
        "llm_exporter_request_bytes_in_flight >= llm_exporter_request_bytes_in_flight_limit",
    ),
    _exporter(
        "connections", "gauge", "", ("source",),
        "Open connections of the HTTP listeners; gRPC reports none.",
        "llm_exporter_connections / llm_exporter_connections_limit",
    ),
    _exporter(
        "connections_limit", "gauge", "", ("source",),
        "Connections that a listener may have; past it one that is not in use is closed, and on "
        "gRPC the new one.",
        "llm_exporter_connections >= llm_exporter_connections_limit",
    ),
    _exporter(
        "connections_closed_total", "counter", "", ("source", "reason"),
        "Connections of the HTTP listeners closed because their client kept them waiting, or to "
        "make room for others (limit).",
        "sum by (source, reason) (rate(llm_exporter_connections_closed_total[5m]))",
    ),
    _exporter(
        "request_bytes_limit", "gauge", "", (),
        "Bytes that one OTLP request may have, compressed and decompressed.",
        "max(llm_exporter_request_bytes_limit)",
    ),
    _exporter(
        "discarded_total", "counter", "", ("reason", "dialect"),
        "Records taken in that count for nothing themselves: told better by another record "
        "(rollup), sent before or on another signal (duplicate), after the call was counted "
        "(late), with a number that cannot be true (invalid), known to enclose others only "
        "(structure), of no language model (not_llm), or of one and not understood "
        "(unknown_kind).",
        "sum by (reason) (rate(llm_exporter_discarded_total[5m]))",
        reasons=DISCARD_REASONS,
    ),
    _exporter(
        "discarded_tokens_total", "counter", "tokens", ("reason", "dialect"),
        "Tokens written on discarded records: what summing every span would have over-counted.",
        "sum(increase(llm_exporter_discarded_tokens_total[1d])) "
        "/ sum(increase(llm_tokens_total[1d]))",
        reasons=DISCARD_REASONS,
    ),
    _exporter(
        "unreadable_numbers_total", "counter", "", ("dialect",),
        "Numbers on records that are none, or cannot be true: `n/a` cached tokens, a cost of "
        "`$0.0021`, NaN. Only the number is left out; its record counts.",
        "sum by (dialect) (increase(llm_exporter_unreadable_numbers_total[1h])) > 0",
    ),
    _exporter(
        "ingest_duration_seconds", "histogram", "seconds", ("source",),
        "Time to decode, apply and commit one request, in seconds.",
        "histogram_quantile(0.99, sum by (le) "
        "(rate(llm_exporter_ingest_duration_seconds_bucket[5m])))",
        buckets="work_seconds",
    ),
    _exporter(
        "ingest_lag_seconds", "histogram", "seconds", (),
        "Time from the end of a span, or the time of a log record, to its arrival, in seconds.",
        "histogram_quantile(0.95, sum by (le) "
        "(rate(llm_exporter_ingest_lag_seconds_bucket[5m])))",
        buckets="lag_seconds",
    ),
    _exporter(
        "late_records_total", "counter", "", (),
        "Calls and steps that ended longer ago than `lateness` when they came; counted as well.",
        "sum(rate(llm_exporter_late_records_total[15m]))",
    ),
    _exporter(
        "implausible_values_total", "counter", "", ("field",),
        "Calls, steps and traces without an end, with one before their start or after more than "
        "7 days, and verdicts more than a year after their call. They count, with tokens and "
        "dollars, and are left out of the histograms of time: a clock was wrong, or a process "
        "ended too early.",
        "sum by (field) (increase(llm_exporter_implausible_values_total[1h])) > 0",
    ),
    _exporter(
        "unmatched_evaluations_total", "counter", "", ("reason",),
        "Verdicts and ratings counted without the labels of the call they are about: they named "
        "none (unnamed), or one that was not seen or is forgotten (unknown).",
        "sum by (reason) (rate(llm_exporter_unmatched_evaluations_total[15m]))",
        reasons=UNJOINED_REASONS,
    ),
    _exporter(
        "state_commit_duration_seconds", "histogram", "seconds", (),
        "Time to write one request to the state file before it is acknowledged, in seconds.",
        "histogram_quantile(0.99, sum by (le) "
        "(rate(llm_exporter_state_commit_duration_seconds_bucket[5m])))",
        buckets="work_seconds",
        absent_when="no state file is configured (`state.path`)",
    ),
    _exporter(
        "state_writable", "gauge", "", (),
        "Whether the state file can be written: 1 or 0; 1 when state is in memory. While it is 0 "
        "nothing can be kept, and senders are asked to come again.",
        "min(llm_exporter_state_writable) == 0",
    ),
    _exporter(
        "clock_jumps_total", "counter", "", ("direction",),
        "Jumps of the machine's clock by more than a minute, while the exporter ran or between "
        "two of its processes.",
        "sum by (direction) (increase(llm_exporter_clock_jumps_total[1h]))",
    ),
    _exporter(
        "state_bytes", "gauge", "bytes", (),
        "Size of the state file and its companions; 0 when state is in memory.",
        "max(llm_exporter_state_bytes)",
        absent_when="no state file is configured (`state.path`)",
    ),
    _exporter(
        "state_errors_total", "counter", "", ("reason",),
        "Trouble with the state file: commit (a request was pushed back), checkpoint, unusable "
        "(a damaged or foreign file was moved aside), damaged (rows that were not what was "
        "written and are left out).",
        "sum by (reason) (increase(llm_exporter_state_errors_total[15m]))",
        reasons=STATE_ERRORS,
    ),
    _exporter(
        "pending_calls", "gauge", "", (),
        "Calls, steps and results that wait for their last reporting spans before they count.",
        "llm_exporter_pending_calls / llm_exporter_pending_calls_limit",
    ),
    _exporter(
        "pending_calls_limit", "gauge", "", (),
        "How many may wait; past it the oldest are counted early, and a late copy may count twice.",
        "llm_exporter_pending_calls >= llm_exporter_pending_calls_limit",
    ),
    _exporter(
        "trace_table_entries", "gauge", "", ("table",),
        "Entries in the bounded memories behind roll-up accounting and duplicate suppression.",
        "llm_exporter_trace_table_entries / llm_exporter_trace_table_entries_limit",
    ),
    _exporter(
        "trace_table_entries_limit", "gauge", "", ("table",),
        "How many entries one of these memories may hold; past it the oldest go.",
        "llm_exporter_trace_table_entries >= llm_exporter_trace_table_entries_limit",
    ),
    _exporter(
        "trace_table_evicted_total", "counter", "", ("table",),
        "Entries dropped for want of room before their time: a late copy may count twice.",
        "sum by (table) (rate(llm_exporter_trace_table_evicted_total[5m]))",
    ),
    _exporter(
        "series", "gauge", "", ("family",),
        "Label sets held per family; a histogram's label set renders several samples.",
        "llm_exporter_series / llm_exporter_series_limit",
    ),
    _exporter(
        "series_limit", "gauge", "", ("family",),
        "Label sets a family may hold; past it open labels are rendered as other.",
        "llm_exporter_series >= llm_exporter_series_limit",
    ),
    _exporter(
        "label_values", "gauge", "", ("label",),
        "Distinct values that a label from outside shows.",
        "llm_exporter_label_values / llm_exporter_label_values_limit > 0.8",
    ),
    _exporter(
        "label_values_limit", "gauge", "", ("label",),
        "Distinct values that a label may show; what comes after is other.",
        "llm_exporter_label_values >= llm_exporter_label_values_limit",
    ),
    _exporter(
        "label_overflow_total", "counter", "", ("label",),
        "Records whose value of this label was past the label's cap and became other.",
        "sum by (label) (increase(llm_exporter_label_overflow_total[1h]))",
    ),
    _exporter(
        "scrape_duration_seconds", "gauge", "seconds", (),
        "Time the last complete exposition took to render, in seconds.",
        "max(llm_exporter_scrape_duration_seconds)",
    ),
    _exporter(
        "scrape_bytes", "gauge", "bytes", (),
        "Size of the last complete exposition before compression, in bytes.",
        "max(llm_exporter_scrape_bytes)",
    ),
    _exporter(
        "price_catalog_timestamp_seconds", "gauge", "seconds", (),
        "Unix time at which the list prices in use were published.",
        "time() - max(llm_exporter_price_catalog_timestamp_seconds)",
    ),
    _exporter(
        "background_failures_total", "counter", "", ("task",),
        "Failures of work in the background, which is tried again; of content_rules and judge "
        "also verdicts that could not be kept.",
        "sum by (instance, task) (increase(llm_exporter_background_failures_total[15m])) > 0",
    ),
    _exporter(
        "security_last_reload_successful", "gauge", "", ("part",),
        "Whether certificates, users or tokens could be used when they last changed: 1 or 0.",
        "llm_exporter_security_last_reload_successful == 0",
        absent_when="no web configuration and no token is in use",
    ),
    _exporter(
        "config_last_reload_successful", "gauge", "", (),
        "Whether the last attempt to load the configuration succeeded: 1 or 0.",
        "llm_exporter_config_last_reload_successful == 0",
    ),
    _exporter(
        "config_last_reload_success_timestamp_seconds", "gauge", "seconds", (),
        "Unix time of the last successful load of the configuration.",
        "time() - max(llm_exporter_config_last_reload_success_timestamp_seconds)",
    ),
)  # fmt: skip
