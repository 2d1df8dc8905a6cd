"""For who relies on scores that are kept elsewhere: are they read, and what has changed since?"""

from __future__ import annotations

from ..board import Board, Row
from ..measures import ranged
from ..panels import Query, bars, series, stat, table
from ..promql import increase, rate, select, summed, top
from ..units import ANY_IS_BAD, up_to

_P = "llm_exporter_source_"


def _age(name: str, by: str = "source") -> str:
    return f"time() - {summed(select(name), by, 'max')}"


READ = Row(
    "Is it read?",
    (
        stat("Sources", "0: a store cannot be read; scores that come there are not counted.",
             "min over sources of llm_exporter_source_up", "none",
             f"min({select(_P + 'up')})", ((None, "red"), (1, "green")), width=8,
             no_value="no source is configured"),
        stat("Read last", "When the one was that is longest ago.",
             "max over sources (time - llm_exporter_source_last_success_timestamp_seconds)", "s",
             f"max({_age(_P + 'last_success_timestamp_seconds')})", up_to(300.0, 900.0),
             decimals=1, no_value="no source is read"),
        stat("Answers in parts", "Requests whose answer was too large or too slow.",
             "increase of llm_exporter_source_splits_total", "short",
             increase(_P + "splits_total"), decimals=0, no_value="no source is read"),
        stat("Rows left out", "They are not what the system is known to write.",
             "increase of llm_exporter_source_unreadable_rows_total", "short",
             increase(_P + "unreadable_rows_total"), ANY_IS_BAD, decimals=0,
             no_value="no source is read"),
        stat("Pushed as well", "Spans of calls that are sent to the exporter, too: read scores "
             "only.", "increase of llm_exporter_source_overlap_total", "short",
             increase(_P + "overlap_total"), ANY_IS_BAD, decimals=0, no_value="no source is read"),
        series("Rows a second", "Those that were read before among them.",
               "rate of llm_exporter_source_rows_total", "rec/s",
               Query(rate(_P + "rows_total", by="source"), "{{source}}"), width=8),
        series("Requests by status", "failed: no whole answer.",
               "rate of llm_exporter_source_requests_total", "req/s",
               Query(rate(_P + "requests_total", by="source, status"), "{{source}} {{status}}"),
               width=8, stacked=True),
        series("Age of the newest row", "The store's own delay, and how long nobody asked.",
               "llm_exporter_source_lag_seconds", "s",
               Query(summed(select(_P + "lag_seconds"), "source", "max"), "{{source}}"), width=8),
    ),
)  # fmt: skip

CHANGED = Row(
    "What has changed",
    (
        bars("Results that changed", "Counted, and edited, overruled or deleted in their store "
             "afterwards.", "increase of llm_judge_revisions_total", "short",
             top(increase("llm_judge_revisions_total", by="judge, from, to"), "judge, from, to"),
             "{{judge}}: {{from}} to {{to}}", width=12, no_value="no result has changed"),
        table("Last offline runs", "Share of cases that failed, how many there were, and when.",
              "llm_eval_run_failure_ratio, _cases, time - _timestamp_seconds",
              ("suite", "judge"),
              ranged("Failed", summed(select("llm_eval_run_failure_ratio"), "suite, judge",
                                      "max")),
              ranged("Cases", summed(select("llm_eval_run_cases"), "suite, judge")),
              ranged("Age", _age("llm_eval_run_timestamp_seconds", "suite, judge")),
              width=12, no_value="no source reads results of runs"),
    ),
)  # fmt: skip

BOARD = Board(
    "llm-sources", "Sources",
    "Stores that the exporter reads: how each is doing, and what changed there afterwards.",
    (READ, CHANGED),
)  # fmt: skip
