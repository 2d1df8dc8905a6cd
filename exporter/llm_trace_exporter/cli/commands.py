"""The commands that count, price or read the configuration: options in, exit codes out."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from .. import __version__
from ..app.exporter import Exporter
from ..config import Settings, advice, load_config, state_advice
from ..engine.content_consumers import replaying
from ..engine.engine import Engine
from ..engine.file_descriptors import raise_limit
from ..engine.readings import Readings
from ..engine.wiring import in_memory, pricing_policy, reads_with, uncapped
from ..errors import ExporterError
from ..explain import DecisionLog
from ..pricing import Pricing, render, tokens_from_totals
from ..pricing import explain as explain_price
from ..server import check_files
from ..sources.file_replay import replay as replay_files
from .cardinality import cost_of_families, cost_of_labels, render_families, render_labels
from .connect import connect
from .evaluate import evaluate as evaluated
from .explain import explain as explained
from .log_format import set_up_logging
from .memory import relax_collector, return_large_blocks
from .notes import note
from .readings import show_readings
from .summary import render_summary, summarise

_logger = logging.getLogger(__name__)

_FAILED = 1
_ENDS = {signal.SIGTERM, signal.SIGINT}
_SIGNALS = {*_ENDS, signal.SIGHUP}
_T = TypeVar("_T")


def serve(options: argparse.Namespace) -> int:
    """Receive OTLP and serve metrics until a signal ends it."""
    # Before there are threads, which inherit it: signals then wait until they are asked for.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        return _run_server(options)
    finally:
        # Whoever asked once more for the end has got it.
        while _SIGNALS & signal.sigpending():
            signal.sigwait(_SIGNALS)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run_server(options: argparse.Namespace) -> int:
    settings = _guarded(options)
    if options.config_check:
        has_defaults = _has_defaults(settings, options)
        return _say_valid(options.config_file, settings, has_defaults=has_defaults)
    set_up_logging(settings.log.level, settings.log.format)
    raise_limit()
    return_large_blocks()
    exporter = Exporter(settings, lambda: _reloaded(options, exporter.engine.settings))
    _logger.info("starting llm-trace-exporter %s", __version__)
    if options.config_file and _has_defaults(settings, options):
        _logger.warning("%s: nothing but defaults", options.config_file)
    try:
        exporter.start()
        relax_collector()
        _replay_and_wait(exporter, options)
    finally:
        exporter.stop()
    return 0


def _replay_and_wait(exporter: Exporter, options: argparse.Namespace) -> None:
    if options.replay:
        _feed(exporter.engine, options.replay, is_ending=lambda: bool(_ENDS & signal.sigpending()))
    if options.summary:
        _print_summary(exporter.engine)
        _print_addresses(exporter)
    while (number := signal.sigwait(_SIGNALS)) not in _ENDS:
        _reload(exporter)
    _logger.info("%s: draining", signal.Signals(number).name)


def _reload(exporter: Exporter) -> None:
    with suppress(ExporterError):  # the exporter has logged it
        exporter.reload()


def replay(options: argparse.Namespace) -> int:
    """Count recorded OTLP and print the metrics."""
    engine = Engine(replace(_settings(options), zero_hold_s=0.0))
    _feed(engine, options.paths)
    if options.summary:
        _print_summary(engine)
        return 0
    accept = "application/openmetrics-text" if options.openmetrics else ""
    sys.stdout.buffer.write(engine.exposition.render(accept).body)
    sys.stdout.buffer.flush()
    return 0


def _feed(
    engine: Engine, paths: Sequence[str], is_ending: Callable[[], bool] = lambda: False
) -> None:
    """Count the requests of files under the content rules; the judge's model is not asked.

    Whoever listened before goes on listening after it.

    Raises: ExporterError when a path holds no OTLP.
    """
    rooms = (
        engine.ingester,
        engine.store,
        lambda: engine.pricing,
        engine.settings,
        engine.background,
    )
    with replaying(*rooms) as listening:
        replay_files(paths, engine.ingester, note, is_ending=is_ending, progress=_shown)
        listening.settle_all()


def _shown(requests: Iterable[_T]) -> Iterator[_T]:
    """The same requests, with a progress bar where a person looks on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from requests
        return
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(),
               MofNCompleteColumn(), TextColumn("requests"))  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replaying", total=None)
        for request in requests:
            yield request
            progress.advance(task)


def evaluate(options: argparse.Namespace) -> int:
    """Ask the judge's rules of recorded OTLP."""
    settings = in_memory(_settings(options))
    engine = Engine(settings)

    def feed() -> None:
        replay_files(options.paths, engine.ingester, note, progress=_shown)
        engine.ingester.settle_all()

    return evaluated(options, settings, engine.ingester, engine.pricing, feed, _console())


def explain(options: argparse.Namespace) -> int:
    """Say of each recorded span and log record whether it counts, and why."""
    engine = Engine(in_memory(_settings(options)))

    def feed(log: DecisionLog) -> None:
        engine.ingester.explain_to(log)
        _feed(engine, options.paths)

    return explained(options, feed)


def cardinality(options: argparse.Namespace) -> int:
    """Tell how many series recorded OTLP would make."""
    settings = replace(_settings(options), zero_hold_s=0.0)
    caps = {**settings.labels.caps, **{d.label: d.cap for d in settings.dimensions}}
    engine = Engine(uncapped(settings))
    _feed(engine, options.paths)
    console = _console()
    console.print(render_families(cost_of_families(engine.store)), end="\n\n")
    console.print(render_labels(cost_of_labels(engine.store, caps, settings.labels.default_cap)))
    return 0


def check(options: argparse.Namespace) -> int:
    """Validate a configuration file, and show what is read under it of recorded OTLP."""
    settings = _checked(load_config(options.file))
    if options.file is not None:
        _say_valid(options.file, settings, has_defaults=settings == Settings())
    if options.explain is not None:

        def feed(readings: Readings) -> None:
            replay_files([options.explain], readings, note, progress=_shown)

        show_readings(settings, feed, _console())
    return 0 if not options.connect or connect(settings) else _FAILED


def _say_valid(path: Path | None, settings: Settings, *, has_defaults: bool) -> int:
    for line in (*advice(settings), *state_advice(settings)):
        note(f"{path or 'defaults'}: warning: {line}")
    said = " (nothing but defaults)" if path and has_defaults else ""
    print(f"{path or 'defaults'}: configuration is valid{said}")
    return 0


def price(options: argparse.Namespace) -> int:
    """Explain the price of one call; 1 where it has none."""
    tokens = tokens_from_totals(
        input_all=options.input,
        output_all=options.output,
        cached=options.cached,
        cache_write=options.cache_write,
        cache_write_1h=options.cache_write_1h,
        reasoning=options.reasoning,
        audio_input=options.audio_input,
        audio_output=options.audio_output,
    )
    pricing = Pricing(pricing_policy(_settings(options)))
    explanation = explain_price(
        pricing,
        options.provider,
        options.model,
        tokens,
        tier=options.tier,
        region=options.region,
        web_searches=options.web_searches,
        at=options.at,
    )
    print("\n".join(render(explanation)))
    return 0 if explanation.total_usd is not None else _FAILED


def _console() -> Console:
    """Standard output; wide enough for a table where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def _print_summary(engine: Engine) -> None:
    _console().print(render_summary(summarise(engine.store)))


def _print_addresses(exporter: Exporter) -> None:
    lines = [""]
    for purpose, address in exporter.listeners():
        scheme = "" if purpose == "OTLP/gRPC" else f"{exporter.scheme(purpose)}://"
        path = "/metrics" if purpose == "metrics" else ""
        lines.append(f"{purpose:<10} {scheme}{address}{path}")
    print("\n".join([*lines, "", "serving until Ctrl-C"]), flush=True)


def _guarded(options: argparse.Namespace) -> Settings:
    """The configuration of a server, with the files that guard it."""
    return _checked(_settings(options))


def _reloaded(options: argparse.Namespace, in_force: Settings) -> Settings:
    """The configuration of a running server, read anew.

    A file that says nothing is most likely one that somebody is writing: it is taken only where it
    changes nothing, or where it may.
    """
    allows_empty = options.config_allow_empty or _has_defaults(in_force, options)
    settings = load_config(options.config_file, allows_empty=allows_empty)
    return _checked(_outranked(settings, options))


def _has_defaults(settings: Settings, options: argparse.Namespace) -> bool:
    """Whether settings are those of an empty file."""
    return settings == _outranked(Settings(), options)


def _checked(settings: Settings) -> Settings:
    """The same, whose files with secrets can be used, and whose engine is there.

    Raises: ConfigError with a line for each problem.
    """
    check_files(settings)
    reads_with(settings)
    return settings


def _settings(options: argparse.Namespace) -> Settings:
    """The configuration file, with what the command line says on top."""
    return _outranked(load_config(options.config_file), options)


def _outranked(settings: Settings, options: argparse.Namespace) -> Settings:
    """Settings with what the command line says on top."""
    if getattr(options, "web_listen_address", None):
        web = replace(settings.web, listen_addresses=tuple(options.web_listen_address))
        settings = replace(settings, web=web)
    if getattr(options, "web_config_file", None) is not None:
        settings = replace(settings, web=replace(settings.web, config_file=options.web_config_file))
    if getattr(options, "web_enable_lifecycle", False):
        settings = replace(settings, web=replace(settings.web, enable_lifecycle=True))
    for name in ("http", "grpc"):
        for key in ("listen_address", "config_file"):
            value = getattr(options, f"otlp_{name}_{key}", None)
            if value is not None:
                listener = replace(getattr(settings.otlp, name), **{key: value})
                settings = replace(settings, otlp=replace(settings.otlp, **{name: listener}))
    for name in ("zero_hold_s", "decision_wait_s"):
        if getattr(options, name, None) is not None:
            settings = replace(settings, **{name: getattr(options, name)})
    log = settings.log
    return replace(
        settings,
        log=replace(
            log,
            level=getattr(options, "log_level", None) or log.level,
            format=getattr(options, "log_format", None) or log.format,
        ),
    )
