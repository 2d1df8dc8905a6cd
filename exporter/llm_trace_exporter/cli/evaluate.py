"""`llm-trace-exporter evaluate`: the rules asked of recorded calls, and what comes of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console

from ..config import Settings, load_rules
from ..config.arguments import positive, ratio
from ..content import ContentBuffer, ContentBufferLimits, ContentConsumer, ContentDispatcher
from ..dialects import label_key
from ..engine.background import Background
from ..engine.ingest import Ingester
from ..engine.wiring import judge_options, judging
from ..errors import ConfigError, ExporterError
from ..evaluation.labels import HumanLabel, matched, read_labels
from ..evaluation.report import (
    baseline_config,
    calibration_table,
    failure_ratios,
    verdict_lines,
    verdict_table,
)
from ..evaluation.run import Collector, Evaluation, Result
from ..judge.client import Client
from ..judge.limits import DailyBudget
from ..judge.rules import CALL_LABELS
from ..pricing import Pricing

ABOVE = 3
"""Exit code when a rule's failure ratio is above what is allowed."""

_FAILED = 1
_MANY = 1_000_000
_HELD = ContentBufferLimits(
    max_entries=_MANY, max_bytes=1 << 30, max_age_s=float("inf"), retrievals_age_s=float("inf")
)
_FLUSH_S = 600.0
_MEANS = {"pass": True, "fail": False}


def add_options(command: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add = command.add_argument
    add("paths", nargs="+", metavar="PATH", help="recorded OTLP: file, folder, or - for stdin")
    add("--rules", type=Path, metavar="FILE", help="YAML rules; `starter` for those that are "
        "shipped (default: judge.rules of the configuration)")  # fmt: skip
    add("--endpoint", metavar="URL", help="base URL of an OpenAI-compatible API")
    add("--model", help="the model that judges")
    add("--provider", help="who serves it, for its price")
    add("--api-key-file", type=Path, metavar="FILE")
    add("--limit", type=positive, metavar="N", help="judge the first N calls only")
    add("--max-usd", type=float, metavar="USD", help="stop asking when that is spent "
        "(default: judge.daily_limit_usd)")  # fmt: skip
    add("--by", default="", metavar="LABEL", help="a row for each value of this label")
    add("--out", type=Path, metavar="FILE", help="write the verdicts as JSON lines")
    add("--evidence", action="store_true", help="with --out: what decided, which may quote texts")
    add("--baseline-out", type=Path, metavar="FILE", help="write failure ratios as configuration")
    add("--calibrate", type=Path, metavar="FILE", help="compare with labels of humans (JSON lines "
        "or CSV: trace_id, span_id, judge, label); asks twice")  # fmt: skip
    add("--fail-above", type=ratio, metavar="RATIO", help="exit code 3 when a rule fails more")


def evaluate(
    options: argparse.Namespace,
    settings: Settings,
    ingester: Ingester,
    pricing: Pricing,
    feed: Callable[[], None],
    console: Console,
) -> int:
    """Judge what `feed` sends through the ingester; returns the exit code.

    Raises: ExporterError where rules, endpoint or files cannot be used.
    """
    settings = _chosen(options, settings)
    judge = judge_options(settings)
    if judge is None:
        raise ConfigError(
            ["nothing to judge with: an endpoint (--endpoint and --model, or judge.endpoint) and "
             "rules (--rules, or judge.rules) are needed"]
        )  # fmt: skip
    if options.by and options.by not in (*CALL_LABELS, *judge.dimensions):
        known = ", ".join((*CALL_LABELS, *judge.dimensions))
        raise ConfigError([f"--by: found {options.by!r}; allowed: {known}"])
    labels = _labels(options.calibrate, settings) if options.calibrate else None
    collector = _heard(ingester, feed, options.limit)
    budget = DailyBudget(settings.judge.daily_limit_usd)
    with closing(Client(judge.endpoint, max_connections=judge.max_concurrent)) as client:
        evaluation = Evaluation(
            judge, budget=budget, price=lambda call: pricing.price(call).cost_usd, client=client
        )
        questions = evaluation.questions(collector.cases)
        if not questions:
            raise ExporterError("no call with recorded texts that a rule is for")
        results = list(evaluation.results(questions, is_turned_too=labels is not None))
    console.print(verdict_table(results, options.by, judge.dimensions))
    if labels is not None:
        pairs = matched(results, labels)
        if not pairs:
            raise ExporterError(f"{options.calibrate}: no label is of a call that was judged")
        console.print(calibration_table(pairs))
    _write(options, results, judge.dimensions)
    return _exit_code(options, results)


def _chosen(options: argparse.Namespace, settings: Settings) -> Settings:
    """The settings with what the command line says on top."""
    judge = settings.judge
    endpoint = judge.endpoint
    given = {
        "url": options.endpoint,
        "model": options.model,
        "provider": options.provider,
        "api_key_file": options.api_key_file and str(options.api_key_file),
    }
    endpoint = replace(endpoint, **{key: value for key, value in given.items() if value})
    if endpoint.url and not endpoint.model:
        raise ConfigError(["--model: found nothing; allowed: the model that judges"])
    rules = judge.rules
    if options.rules is not None:
        dimensions = [d.label for d in settings.dimensions]
        if str(options.rules) == "starter":
            with as_file(files("llm_trace_exporter.judge") / "starter_rules.yml") as path:
                rules = load_rules(path, dimensions)
        else:
            rules = load_rules(options.rules, dimensions)
    limit = judge.daily_limit_usd if options.max_usd is None else options.max_usd
    judge = replace(judge, endpoint=endpoint, rules=rules, daily_limit_usd=limit)
    return replace(settings, judge=judge)


def _labels(path: Path, settings: Settings) -> list[HumanLabel]:
    """What humans said, in the words that results of judges are understood in."""
    meaning = judging(settings).labels
    return read_labels(path, lambda text: _MEANS.get(meaning.get(label_key(text), "")))


def _heard(ingester: Ingester, feed: Callable[[], None], most: int | None) -> Collector:
    """What was said in the calls that are fed."""
    collector = Collector(most)
    failed = partial(Background().failed, "content")
    dispatcher = ContentDispatcher(
        [ContentConsumer(collector.consume)], ContentBuffer(_HELD), max_chars=_MANY, failed=failed
    )
    ingester.dispatch_to(dispatcher)
    try:
        feed()
        dispatcher.flush(_FLUSH_S)
    finally:
        ingester.dispatch_to(None)
        dispatcher.close(0)
    return collector


def _write(options: argparse.Namespace, results: list[Result], dimensions: tuple[str, ...]) -> None:
    if options.out:
        with options.out.open("w", encoding="utf-8") as file:
            # What quotes people is for the eyes of whoever asked.
            options.out.chmod(0o600)
            file.writelines(verdict_lines(results, dimensions, with_evidence=options.evidence))
    if options.baseline_out:
        options.baseline_out.write_text(baseline_config(failure_ratios(results)), encoding="utf-8")


def _exit_code(options: argparse.Namespace, results: list[Result]) -> int:
    ratios = failure_ratios(results)
    if not ratios:
        return _FAILED
    worst = max(ratio.value or 0.0 for ratio in ratios.values())
    return ABOVE if options.fail_above is not None and worst > options.fail_above else 0
