"""What is asked in PromQL, by name. Thresholds are in the checks, not here."""

from __future__ import annotations

import re
from collections.abc import Mapping

OUR_NAME = re.compile(r"(.+:)?(llm|gen_ai)_.+")
"""Names of the metrics that the exporter or its rules make."""
OURS = f'__name__=~"{OUR_NAME.pattern}"'
"""The same as a matcher."""

TOKENS_BY_SERVICE = "sum by (job, instance, exported_service, service) (llm_tokens_total)"
"""Asked by minute over the last hours: as counters, which lose nothing between two scrapes."""

QUESTIONS: Mapping[str, str] = {
    "exporters": "llm_exporter_build_info",
    "age": "time() - timestamp(llm_exporter_build_info)",
    "scraped": "timestamp(llm_exporter_build_info)",
    "started": "process_start_time_seconds and on (job, instance) llm_exporter_build_info",
    "configured": "llm_exporter_config_last_reload_success_timestamp_seconds",
    "hidden": 'count by (job, instance) (llm_requests_total{exported_service!=""})',
    "samples": "scrape_samples_post_metric_relabeling"
    " and on (job, instance) llm_exporter_build_info",
    # A native histogram has the family's own name, which no sample of a classic one has.
    "native": "count by (job, instance)"
    " (llm_exporter_ingest_lag_seconds or llm_request_duration_seconds)"
    " unless on (job, instance)"
    " (llm_exporter_ingest_lag_seconds_bucket or llm_request_duration_seconds_bucket)",
    "day_ago": "llm_exporter_build_info offset 1d",
    "week_ago": "llm_exporter_build_info offset 1w",
    "received": "sum by (job, instance) (llm_exporter_spans_received_total)",
    "received_logs": "sum by (job, instance) (llm_exporter_log_records_received_total)",
    "calls": "sum by (job, instance) (llm_requests_total)",
    "only_agents": "sum by (exported_service, service)"
    ' (llm_step_duration_seconds_count{step="agent"})'
    " unless on (exported_service, service)"
    " sum by (exported_service, service) (llm_requests_total)",
    "calls_by_model": "sum by (job, instance, exported_service, service, model)"
    " (increase(llm_requests_total[1h]))",
    "resets": "max by (job, instance) (resets(llm_cost_usd_total[1d])) > 0",
    "in_memory": "llm_exporter_build_info unless on (job, instance) (llm_exporter_state_bytes > 0)",
    "state_errors": "sum by (instance, reason) (increase(llm_exporter_state_errors_total[1h])) > 0",
    "prices_age": "time() - max(llm_exporter_price_catalog_timestamp_seconds)",
    "overflow": "sum by (label) (increase(llm_exporter_label_overflow_total[1d])) > 0",
    "full_labels": "max by (label)"
    " (llm_exporter_label_values / llm_exporter_label_values_limit) > 0.8",
    "full_series": "max by (family) (llm_exporter_series / llm_exporter_series_limit) > 0.8",
    "pending": "max by (instance)"
    " (llm_exporter_pending_calls / llm_exporter_pending_calls_limit) > 0.8",
    "rejected": "sum by (source, reason) (increase(llm_exporter_requests_rejected_total[1h])) > 0",
    "invalid": 'sum(increase(llm_exporter_discarded_total{reason="invalid"}[1h])) > 0',
    "not_understood": "sum by (dialect)"
    ' (increase(llm_exporter_discarded_total{reason="unknown_kind"}[1d])) > 0',
    "unreadable": "sum by (dialect) (increase(llm_exporter_unreadable_numbers_total[1d])) > 0",
    "metrics_requests": "sum(increase(llm_exporter_metrics_requests_total[1h])) > 0",
    "config_failed": "llm_exporter_config_last_reload_successful == 0",
    "security_failed": "llm_exporter_security_last_reload_successful == 0",
    "lag_median": "histogram_quantile(0.5, sum by (le)"
    " (rate(llm_exporter_ingest_lag_seconds_bucket[1h])))",
    "lag_mean": "sum(rate(llm_exporter_ingest_lag_seconds_sum[1h]))"
    " / sum(rate(llm_exporter_ingest_lag_seconds_count[1h]))",
    "versions": "count by (version) (llm_exporter_build_info)",
    "unpriced": "sum by (model, reason)"
    ' (increase(llm_unpriced_requests_total{reason=~"unknown_model|no_model"}[1d])) > 0',
}
