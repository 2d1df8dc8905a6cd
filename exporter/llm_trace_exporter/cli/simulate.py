"""The options of `simulate`, and what they start."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from ..config import Settings, load_config
from ..config.arguments import duration_to, moment
from ..errors import ExporterError
from ..simulate.history import Span, write_history
from ..simulate.incidents import INCIDENTS, Plan, parse_incident
from ..simulate.live import run_live
from ..simulate.traffic import Traffic
from ..simulate.world import PROFILES, SERVICES
from .notes import note

_MAX_RATE = 10_000.0
_FOREVER_S = 10 * 365 * 86_400.0
_DEFAULT_RATES = {"live": 2.0, "history": 0.1}


def add_options(simulate: argparse.ArgumentParser) -> None:
    """Declare the options."""
    for arguments, keywords in _OPTIONS:
        simulate.add_argument(*arguments, **keywords)


def run(options: argparse.Namespace) -> int:
    """Do what the options say; the exit code.

    Raises: ExporterError where they do not fit together, or sending is not possible.
    """
    if options.list_incidents:
        _list_incidents()
        return 0
    if options.openmetrics is not None:
        return _history(options)
    return _live(options)


def _live(options: argparse.Namespace) -> int:
    endpoint = _endpoint(options.endpoint)
    headers = _headers(options.header, options.token_file)
    if importlib.util.find_spec("opentelemetry.sdk") is None or not _has_exporter():
        raise ExporterError(
            "simulate sends with the OpenTelemetry SDK, which is not installed: "
            "pip install 'llm-trace-exporter[simulate]' (--openmetrics works without)"
        )
    from ..simulate.sdk import Sender  # noqa: PLC0415 - an extra that may be missing

    start_s = time.time()
    end_s = start_s + (options.duration or _FOREVER_S)
    traffic, _ = _traffic(options, "live", start_s, end_s)
    sender = Sender(endpoint, headers)
    note(f"sending to {endpoint} until {'the time is over' if options.duration else 'Ctrl-C'}")
    try:
        records = run_live(traffic, sender, end_s)
        note(f"sent {records} spans and log records")
    finally:
        sender.close()
    return 0


def _has_exporter() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def _history(options: argparse.Namespace) -> int:
    step_s = int(options.step)
    if step_s < 1 or step_s != options.step:
        raise ExporterError("--step: whole seconds, at least 1s")
    if not step_s <= options.history:
        raise ExporterError("--history: at least as long as --step")
    newest_s = options.end.timestamp() if options.end else time.time()
    end_s = int(newest_s) // step_s * step_s
    start_s = end_s - int(options.history) // step_s * step_s
    traffic, plan = _traffic(options, "history", start_s, end_s)
    settings = load_config(options.config_file) if options.config_file else Settings()
    labels = {"job": options.job, "instance": options.instance}
    span = Span(start_s, end_s, step_s)
    written = write_history(options.openmetrics, span, traffic, plan, settings, labels, _progress)
    note(
        f"{options.openmetrics}: {written.scrapes} scrapes of {written.records} records, "
        f"{written.size_bytes / 1e6:.0f} MB; for Prometheus: promtool tsdb create-blocks-from "
        f"openmetrics --max-block-duration=720h {options.openmetrics} DATA-FOLDER"
    )
    return 0


def _traffic(
    options: argparse.Namespace, mode: str, start_s: float, end_s: float
) -> tuple[Traffic, Plan]:
    plan = Plan([parse_incident(written, start_s, end_s) for written in options.incident])
    rate = options.rate if options.rate is not None else _DEFAULT_RATES[mode]
    profile = PROFILES[options.profile]
    if options.environment is not None:
        profile = replace(profile, environments=((options.environment, 1.0),))
    if options.service:
        chosen = tuple(one for one in profile.services if one.name in options.service)
        profile = replace(profile, services=chosen)
    return Traffic(profile, plan, seed=options.seed, start_s=start_s, rate=rate), plan


def _endpoint(written: str) -> str:
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ExporterError(f"--endpoint: an address such as http://localhost:4318: {written!r}")
    return written


def _headers(written: list[str], token_file: Path | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in written:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise ExporterError("--header: NAME=VALUE is expected")
        found[name.strip()] = value.strip()
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ExporterError(f"--token-file {token_file}: cannot be read") from error
        if not token or not token.isprintable() or not token.isascii():
            raise ExporterError(f"--token-file {token_file}: holds no token")
        found["Authorization"] = f"Bearer {token}"
    return found


def _list_incidents() -> None:
    table = Table("incident", "what happens", "alerts", box=None, pad_edge=False)
    for incident in INCIDENTS.values():
        table.add_row(incident.name, incident.summary, incident.alerts)
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)


def _progress(share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:4.0%}", end="\r", file=sys.stderr, flush=True)


def _rate(written: str) -> float:
    try:
        rate = float(written)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _MAX_RATE:
        raise argparse.ArgumentTypeError(f"above 0, at most {_MAX_RATE:.0f}: {written!r}")
    return rate


def _option(*names: str, **keywords: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
    return names, keywords


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    _option(
        "--endpoint", metavar="URL",
        default=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318"),
        help="base address of OTLP/HTTP (default http://localhost:4318)",
    ),
    _option("--header", metavar="NAME=VALUE", action="append", default=[],
            help="a header of each request; may be given several times"),
    _option("--token-file", metavar="FILE", type=Path, help="file with a bearer token"),
    _option("--rate", metavar="N", type=_rate,
            help="traces a second on the mean of a week (default 2, for --openmetrics 0.1)"),
    _option("--duration", metavar="DURATION", type=duration_to(),
            help="how long to send (default: until Ctrl-C)"),
    _option("--seed", metavar="N", type=int, default=1, help="determines what is left to chance"),
    _option("--profile", choices=tuple(PROFILES), default="full",
            help="how much variety: full, small for less series, steady for no busy hours either"),
    _option("--service", metavar="NAME", action="append", default=[],
            choices=[service.name for service in SERVICES],
            help="only this application, at its share of the rate; may be given several times"),
    _option("--environment", metavar="NAME",
            help="the only environment (default: that of the profile)"),
    _option("--incident", metavar="NAME[@START+DURATION]", action="append", default=[],
            help="what goes wrong and when, from the start or, with -, the end; repeatable"),
    _option("--list-incidents", action="store_true", help="print the incidents and exit"),
    _option("--openmetrics", metavar="FILE", type=Path,
            help="write a history for Prometheus to FILE instead of sending"),
    _option("--history", metavar="DURATION", type=duration_to(), default=86_400.0,
            help="with --openmetrics: how much of it (default 1d)"),
    _option("--step", metavar="DURATION", type=duration_to(), default=60.0,
            help="with --openmetrics: time between two scrapes (default 1m)"),
    _option("--end", metavar="DATE", type=moment,
            help="with --openmetrics: ISO time of the last scrape (default now)"),
    _option("--job", default="llm-trace-exporter", help="with --openmetrics: value of the label"),
    _option("--instance", default="simulated:9891",
            help="with --openmetrics: value of the label"),
    _option("--config.file", dest="config_file", type=Path, metavar="FILE",
            help="with --openmetrics: the exporter's YAML configuration"),
)  # fmt: skip
