"""The facts of expected.json, read back from an exposition."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from prometheus_client.samples import Sample

_TOKEN_TYPES = ("input", "cache_read", "cache_write", "output", "reasoning")
_INPUTS = {"input", "cache_read", "cache_write", "audio_input"}
_NAME, _VALUE = r"[a-zA-Z_]\w*", r'[^"\\]*(?:\\[\\n"][^"\\]*)*'
_LABEL = re.compile(rf'({_NAME})="({_VALUE})",?')
_LINE = re.compile(rf'([a-zA-Z_:][\w:]*)(?:\{{((?:{_NAME}="{_VALUE}",?)*)\}})? (\S+)')
_ESCAPED = re.compile(r"\\(.)")
_MEANT = {"n": "\n", "\\": "\\", '"': '"'}


@lru_cache(1 << 14)
def _labels(text: str) -> dict[str, str]:
    """What stands between the braces; the same from page to page, so nobody may change it."""
    return {
        name: _ESCAPED.sub(lambda m: _MEANT[m[1]], value) if "\\" in value else value
        for name, value in _LABEL.findall(text)
    }


class Samples:
    """The samples of one exposition, summed as queries sum them."""

    def __init__(self, exposition: str) -> None:
        """Read a page of the text format, on which each series stands once.

        prometheus_client's parser takes many times as long, which was most of what replays took;
        `tests/test_facts.py` compares the two.
        """
        self.by_name: dict[str, list[Sample]] = defaultdict(list)
        seen = set()
        for line in exposition.split("\n"):
            if line and line[0] != "#":
                found = _LINE.fullmatch(line)
                assert found is not None, line
                name, labels, value = found.groups()
                assert (name, labels) not in seen, line
                seen.add((name, labels))
                self.by_name[name].append(Sample(name, _labels(labels or ""), float(value)))

    def total(self, name: str, **labels: str) -> float:
        """Sum of the samples of a name that have these label values."""
        return sum(s.value for s in self.matching(name, **labels))

    def matching(self, name: str, **labels: str) -> Iterable[Sample]:
        """The samples of a name that have these label values."""
        for sample in self.by_name.get(name, ()):
            if all(sample.labels.get(k, "") == v for k, v in labels.items()):
                yield sample

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """Sums by one label, those that are 0 left out."""
        found: dict[str, float] = defaultdict(float)
        for sample in self.matching(name, **labels):
            found[sample.labels.get(label, "")] += sample.value
        return {value: total for value, total in found.items() if total}


def facts(exposition: str) -> dict[str, Any]:
    """Every fact that expected.json names, as the metrics tell it."""
    at = Samples(exposition)
    requests = "llm_requests_total"
    ok = at.total(requests, outcome="ok")
    tokens = {t: int(at.total("llm_tokens_total", type=t)) for t in _TOKEN_TYPES}
    discarded = at.by("llm_exporter_discarded_tokens_total", "reason")
    reported = at.total("llm_cost_usd_total", cost_source="reported")
    return {
        "calls": {"ok": ok, "error": at.total(requests, outcome="error")},
        "by_operation": at.by(requests, "operation"),
        "errors": at.by(requests, "error_type", outcome="error"),
        "tokens": tokens,
        "tokens_embeddings_input": at.total(
            "llm_tokens_total", type="input", operation="embeddings"
        ),
        "per_model": _per_model(at),
        "calls_without_usage": ok - at.total("llm_request_input_tokens_count"),
        "finish_reasons": at.by("llm_finish_reasons_total", "reason"),
        "reported_cost_usd": reported or None,
        "streaming_calls_with_ttft": at.total("llm_request_time_to_first_token_seconds_count"),
        "tool_executions": _tools(at),
        "retrievals": at.total("llm_step_duration_seconds_count", step="retrieval"),
        "agents": at.total("llm_step_duration_seconds_count", step="agent"),
        "verdicts": at.by("llm_judge_verdicts_total", "judge"),
        "feedback": {r: at.total("llm_feedback_total", rating=r) for r in ("positive", "negative")},
        "discarded_rollup_tokens": discarded.get("rollup", 0),
        "naive_tokens": sum(tokens.values()) + sum(discarded.values()),
    }


def _per_model(at: Samples) -> dict[str, dict[str, float]]:
    calls = at.by("llm_requests_total", "model", outcome="ok")
    found = {
        model: {"calls_ok": n, "input_all": 0.0, "output_all": 0.0} for model, n in calls.items()
    }
    for sample in at.by_name["llm_tokens_total"]:
        side = "input_all" if sample.labels["type"] in _INPUTS else "output_all"
        if sample.value:
            found[sample.labels["model"]][side] += sample.value
    return found


def _tools(at: Samples) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(lambda: {"ok": 0.0, "error": 0.0})
    for sample in at.by_name["llm_tool_calls_total"]:
        if sample.value:
            found[sample.labels["tool"]][sample.labels["outcome"]] += sample.value
    return dict(found)


def without_zeros(value: Any) -> Any:
    """Count tables without the keys that say 0, which expected.json may leave out."""
    if not isinstance(value, dict):
        return round(value, 9) if isinstance(value, float) else value
    cleaned = {k: without_zeros(v) for k, v in value.items()}
    return {k: v for k, v in cleaned.items() if v not in (0, {}, None)}


def verdict_facts(expected: dict[str, Any]) -> dict[tuple[str, ...], float]:
    """Verdicts of expected.json by (judge, kind, verdict)."""
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for verdict in expected["verdicts"]:
        found[verdict["judge"], verdict["kind"], verdict["verdict"]] += verdict["n"]
    return dict(found)


COMPARED: dict[str, Callable[[Any], Any]] = {
    "calls": without_zeros,
    "by_operation": without_zeros,
    "errors": without_zeros,
    "tokens": without_zeros,
    "tokens_embeddings_input": float,
    "per_model": without_zeros,
    "calls_without_usage": float,
    "finish_reasons": without_zeros,
    "reported_cost_usd": lambda v: None if v is None else round(v, 9),
    "streaming_calls_with_ttft": float,
    "tool_executions": without_zeros,
    "retrievals": float,
    "agents": float,
    "feedback": without_zeros,
    "discarded_rollup_tokens": float,
    "naive_tokens": float,
}
"""Fact -> how both sides are written before they are compared."""
