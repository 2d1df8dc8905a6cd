"""For who runs the exporter: can its numbers be trusted, and is it near a limit?"""

from __future__ import annotations

from ..board import Board, Row
from ..measures import ranged, with_samples
from ..panels import Panel, Query, bars, now, series, stat, table
from ..promql import NOW, RATE, increase, named, quantile, rate, select, summed, top_and_rest
from ..units import ANY_IS_BAD, BAD_ABOVE_1, PLAIN, up_to

_P = "llm_exporter_"


def _now(name: str, by: str = "instance", operator: str = "max") -> str:
    return summed(select(_P + name), by, operator)


def _age(name: str) -> str:
    """Seconds since then; a written history may end before."""
    return f"clamp_min(time() - max({select(_P + name)}), 0)"


def _used(name: str, by: str) -> str:
    return f"{_now(name, by)} / {_now(f'{name}_limit', by)}"


def _per_second(
    title: str, text: str, name: str, by: str, legend: str, unit: str = "rec/s"
) -> Panel:
    return series(
        title, text, f"rate of {_P}{name}", unit,
        Query(top_and_rest(rate(_P + name, by=by), by), legend), stacked=True,
    )  # fmt: skip


AT_ONCE = Row(
    "Now, and troubles in the time shown",
    (
        stat("Exporters", "How many are scraped.", "count of llm_exporter_build_info", "short",
             f"count({select(_P + 'build_info')})", ((None, "red"), (1, "green")), decimals=0,
             no_value="none is scraped"),
        now(stat("Spans now", "What comes in, over ten minutes; 0 while applications work: senders "
                 "have trouble.", "rate of llm_exporter_spans_received_total", "spans/s",
                 rate(_P + "spans_received_total", window=NOW),
                 ((None, "red"), (0.001, "green")), decimals=2)),
        stat("Requests refused", "Nothing of them was counted.",
             "increase of llm_exporter_requests_rejected_total", "short",
             increase(_P + "requests_rejected_total"), ANY_IS_BAD, decimals=0),
        stat("State trouble", "The state file could not be written or read.",
             "increase of llm_exporter_state_errors_total", "short",
             increase(_P + "state_errors_total"), ANY_IS_BAD, decimals=0),
        stat("Configuration", "0: the last reload failed, and the old one is in use.",
             "min of llm_exporter_config_last_reload_successful", "none",
             f"min({select(_P + 'config_last_reload_successful')})",
             ((None, "red"), (1, "green"))),
        stat("Nearest limit", "The fullest metric family beside its limit; at 100 % open labels "
             "become other.", "max over families (series / limit)", "percentunit",
             f"max({_used('series', 'instance, family')})", BAD_ABOVE_1, decimals=1),
    ),
)  # fmt: skip

INTAKE = Row(
    "What comes in",
    (
        _per_second("Refused by reason", "Nothing of these requests was counted.",
                    "requests_rejected_total", "source, reason", "{{source}} {{reason}}",
                    "req/s"),
        _per_second("Spans by dialect", "By the convention that read them; without a name: "
                    "none knows them.", "spans_received_total", "source, dialect",
                    "{{source}} {{dialect}}", "spans/s"),
        *with_samples(
            series("Lag", "How late spans and log records come after they ended.",
                   "95th percentile of llm_exporter_ingest_lag_seconds", "s",
                   Query(quantile(0.95, _P + "ingest_lag_seconds", by="instance"),
                         "{{instance}}")),
            "lag", _P + "ingest_lag_seconds", by="instance"),
        *with_samples(
            series("Time to take one request", "Decode, apply and commit.",
                   "99th percentile of llm_exporter_ingest_duration_seconds", "s",
                   Query(quantile(0.99, _P + "ingest_duration_seconds", by="source"),
                         "{{source}}")),
            "requests", _P + "ingest_duration_seconds", by="source"),
        series("Late records", "They ended longer ago than `lateness`; counted as well.",
               "rate of llm_exporter_late_records_total", "rec/s",
               Query(rate(_P + "late_records_total", by="instance"), "{{instance}}"), width=8),
        series("Log records and metrics", "Log records read, and metrics requests that are "
               "answered and not used.", "rates of llm_exporter_log_records_received_total and "
               "llm_exporter_metrics_requests_total", "rec/s",
               Query(named(rate(_P + "log_records_received_total", by="dialect"), "dialect"),
                     "logs {{dialect}}"),
               Query(rate(_P + "metrics_requests_total", by="source"), "metrics {{source}}"),
               width=8),
        series("Requests by token", "Which sender sends; with `otlp.tokens`.",
               "rate of llm_exporter_token_requests_total", "req/s",
               Query(top_and_rest(rate(_P + "token_requests_total", by="token"), "token"),
                     "{{token}}"), width=8,
               stacked=True),
    ),
)  # fmt: skip

COUNTED = Row(
    "What becomes of it",
    (
        _per_second("Discarded by reason", "Copies and roll-ups that would have been counted "
                    "twice, and spans that are no model calls.", "discarded_total", "reason",
                    "{{reason}}"),
        series("Tokens not counted twice", "What summing every span would have added, beside "
               "what counts.", "discarded tokens / tokens", "percentunit",
               Query(f"{rate(_P + 'discarded_tokens_total', by='reason')} / on () group_left () "
                     f"sum(rate(llm_tokens_total[{RATE}]))", "{{reason}}")),
        series("Results that found no call", "Verdicts and ratings counted without the labels "
               "of what they judge.", "rate of llm_exporter_unmatched_evaluations_total",
               "rec/s",
               Query(rate(_P + "unmatched_evaluations_total", by="reason"), "{{reason}}"), width=8),
        series("Not understood", "They look like calls to a model and could not be read as such: "
               "the doctor names them.", "rate of llm_exporter_discarded_total", "rec/s",
               Query(named(rate(_P + "discarded_total", 'reason="unknown_kind"', by="dialect"),
                           "dialect"), "{{dialect}}"), width=8),
        series("Unreadable numbers", "Left out of records that count; no number, or none that "
               "can be true.", "rate of llm_exporter_unreadable_numbers_total", "rec/s",
               Query(named(rate(_P + "unreadable_numbers_total", by="dialect"), "dialect"),
                     "{{dialect}}"),
               width=8),
        series("Impossible times", "No end, one before the start, or more than 7 days: left out "
               "of the histograms.",
               "rate of llm_exporter_implausible_values_total", "rec/s",
               Query(rate(_P + "implausible_values_total", by="field"), "{{field}}"), width=8),
        series("Waiting calls", "Of what may wait for its last reporting spans.",
               "llm_exporter_pending_calls / limit", "percentunit",
               Query(_used("pending_calls", "instance"), "{{instance}}"), width=8),
        series("Forgotten too early", "Entries dropped for want of room: a late copy may count "
               "twice.", "rate of llm_exporter_trace_table_evicted_total", "rec/s",
               Query(rate(_P + "trace_table_evicted_total", by="table"), "{{table}}"), width=8),
    ),
)  # fmt: skip

LIMITS = Row(
    "Limits",
    (
        bars("Fullest families", "Label sets of a metric family beside their limit.",
             "llm_exporter_series / llm_exporter_series_limit", "percentunit",
             f"topk(12, {_used('series', 'family')})", "{{family}}", BAD_ABOVE_1, most=1),
        bars("Fullest labels", "Distinct values beside the label's cap.",
             "llm_exporter_label_values / llm_exporter_label_values_limit", "percentunit",
             f"topk(12, {_used('label_values', 'label')})", "{{label}}", BAD_ABOVE_1, most=1),
        bars("Fullest memories", "Entries of bounded memories beside their limit.",
             "llm_exporter_trace_table_entries / limit", "percentunit",
             _used("trace_table_entries", "table"), "{{table}}", BAD_ABOVE_1, most=1),
        series("Values that became other", "By label: raise its cap, or find who invents names.",
               "increase of llm_exporter_label_overflow_total", "short",
               Query(increase(_P + "label_overflow_total", by="label", window=RATE),
                     "{{label}}"), stacked=True),
        table("Requests under way", "At the limit senders are asked to come again.",
              "llm_exporter_requests_in_flight, llm_exporter_request_bytes_in_flight",
              ("instance", "source"),
              ranged("Requests", _now("requests_in_flight", "instance, source")),
              ranged("Of the limit", _used("requests_in_flight", "instance, source"),
                     "percentunit", *BAD_ABOVE_1),
              ranged("Bytes of the limit", _used("request_bytes_in_flight", "instance, source"),
                     "percentunit", *BAD_ABOVE_1),
              width=12, no_value="no receiver"),
        bars("Connections", "Of those that a listener may have; gRPC does not report its own.",
             "llm_exporter_connections / llm_exporter_connections_limit", "percentunit",
             _used("connections", "source"), "{{source}}", BAD_ABOVE_1, most=1),
        series("Connections closed", "A few idle ones are everyday life. Many for want of room, or "
               "that say nothing: strangers, or a limit that is too low.",
               "rate of llm_exporter_connections_closed_total", "events/s",
               Query(rate(_P + "connections_closed_total", by="source, reason"),
                     "{{source}}: {{reason}}"), stacked=True, width=16),
    ),
)  # fmt: skip

PROCESS = Row(
    "The process",
    (
        *with_samples(
            series("Time to commit", "Writing one request to the state file before it is "
                   "acknowledged.", "99th percentile of "
                   "llm_exporter_state_commit_duration_seconds", "s",
                   Query(quantile(0.99, _P + "state_commit_duration_seconds", by="instance"),
                         "{{instance}}")),
            "commits", _P + "state_commit_duration_seconds", by="instance"),
        series("State file", "0: state is in memory.", "llm_exporter_state_bytes", "bytes",
               Query(_now("state_bytes"), "{{instance}}"), width=8),
        stat("State can be written", "0: nothing can be kept, and senders are asked to come again.",
             "min of llm_exporter_state_writable", "none",
             f"min({select(_P + 'state_writable')})", ((None, "red"), (1, "green")),
             width=4, height=8),
        stat("Jumps of the clock", "By more than a minute.",
             "increase of llm_exporter_clock_jumps_total", "short",
             increase(_P + "clock_jumps_total"), ANY_IS_BAD, decimals=0,
             width=4, height=8),
        series("Time to render a scrape", "A scrape that takes longer than its timeout is lost.",
               "llm_exporter_scrape_duration_seconds", "s",
               Query(_now("scrape_duration_seconds"), "{{instance}}"), width=8),
        series("Size of a scrape", "Before compression.", "llm_exporter_scrape_bytes", "bytes",
               Query(_now("scrape_bytes"), "{{instance}}"), width=12),
        series("Failures in the background", "A task that keeps failing stands still.",
               "increase of llm_exporter_background_failures_total in 15 minutes", "short",
               Query(increase(_P + "background_failures_total", by="instance, task", window="15m"),
                     "{{instance}} {{task}}"), width=8),
        table("What runs", "Versions, and when configuration and list prices are from.",
              "llm_exporter_build_info and time - the timestamps",
              ("instance", "version", "python"),
              ranged("Exporters", summed(select(_P + "build_info"), "instance, version, python",
                                         "count")), width=16),
        stat("Configuration is from", "When it was last loaded.",
             "time - llm_exporter_config_last_reload_success_timestamp_seconds", "s",
             _age("config_last_reload_success_timestamp_seconds"),
             height=4, width=6, decimals=1),
        stat("List prices are from", "When they were published.",
             "time - llm_exporter_price_catalog_timestamp_seconds", "s",
             _age("price_catalog_timestamp_seconds"),
             up_to(30 * 86400.0, 90 * 86400.0), height=4, width=6, decimals=1),
        stat("Certificates and tokens", "0: a changed file cannot be used.",
             "min of llm_exporter_security_last_reload_successful", "none",
             f"min({select(_P + 'security_last_reload_successful')})",
             ((None, "red"), (1, "green")), height=4, width=6),
        stat("Largest request", "That is taken, compressed and decompressed.",
             "llm_exporter_request_bytes_limit", "bytes",
             f"max({select(_P + 'request_bytes_limit')})", PLAIN, height=4, width=6),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-exporter", "Exporter health",
    "Whether the exporter's own numbers can be trusted, and which limit is near.",
    (AT_ONCE, INTAKE, COUNTED, LIMITS, PROCESS), hours=6,
)  # fmt: skip
