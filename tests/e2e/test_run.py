"""`serve --replay --summary`: what a first look at the product shows."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.e2e.process import running, wait_for


def test_sample_traces_are_shown_and_served(tmp_path: Path) -> None:
    arguments = ("--zero-hold=0s", "--replay", "examples/traces", "--summary")
    with running(tmp_path, *arguments, is_cold=True) as exporter:
        wait_for(lambda: "serving until Ctrl-C" in exporter.output, "the end of the summary")
        titles, *rows = exporter.output.split("\n\n")[0].splitlines()
        assert re.split(r"\s{2,}", titles.strip()) == [
            *("provider", "model", "requests", "errors", "input tok", "output tok"),
            *("cost USD", "unpriced", "p95 s", "judge fail"),
        ]
        cells = {row.split()[1]: row.split() for row in rows[:-1]}
        assert {"gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash"} <= set(cells)
        total = rows[-1].split()
        assert total[0] == "all"

        # The table and the metrics tell the same.
        at = exporter.metrics()
        for model, row in cells.items():
            if model != "-":
                assert _number(row[2]) == at.total("llm_requests_total", model=model)
        numbers = [_number(cell) for cell in total[2:8]]
        outputs = ("output", "reasoning", "audio_output")
        assert numbers == [
            at.total("llm_requests_total"),
            at.total("llm_requests_total", outcome="error"),
            at.total("llm_tokens_total")
            - sum(at.total("llm_tokens_total", type=kind) for kind in outputs),
            sum(at.total("llm_tokens_total", type=kind) for kind in outputs),
            round(at.total("llm_cost_usd_total"), 6),
            at.total("llm_unpriced_requests_total"),
        ]
        failed = at.total("llm_judge_verdicts_total", verdict="fail")
        judged = failed + at.total("llm_judge_verdicts_total", verdict="pass")
        assert rows[-1].endswith(f"{failed / judged:.0%} of {judged:.0f}")

        assert f"metrics    {exporter.web}/metrics\n" in exporter.output
        assert f"OTLP/HTTP  {exporter.http}\n" in exporter.output
        assert f"OTLP/gRPC  {exporter.grpc}\n" in exporter.output
        exporter.signal(signal.SIGINT)
        assert exporter.ended() == 0


def _number(cell: str) -> float:
    return float(cell.replace(",", ""))
