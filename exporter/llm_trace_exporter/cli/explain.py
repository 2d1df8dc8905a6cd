"""`explain`: of each recorded span and log record, whether it counts and why, as a tree."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from string import hexdigits

from rich.console import Console
from rich.text import Text

from ..errors import ExporterError
from ..explain import WIDTH, DecisionLog, Line, Trace, json_of, lines_of, plain
from .notes import note

MAX_RECORDS = 200_000
"""Records that are explained at once; about a kilobyte of memory each."""

OUTSIDE = "none"
"""What is given for an id by who asks for log records outside of any trace."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Declare what `explain` takes, but for the configuration."""
    command.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, or - for stdin")
    command.add_argument(
        "--trace", type=trace_id, metavar="ID",
        help=f"only this trace; {OUTSIDE}: only log records outside of any",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print one JSON document instead")


def trace_id(text: str) -> bytes:
    """A trace id from 32 hexadecimal digits.

    Raises: ArgumentTypeError.
    """
    if text == OUTSIDE:
        return b""
    if len(text) != 32 or not set(text) <= set(hexdigits):
        raise argparse.ArgumentTypeError(f"a trace id has 32 hexadecimal digits, not {text!r}")
    return bytes.fromhex(text)


def explain(options: argparse.Namespace, feed: Callable[[DecisionLog], None]) -> int:
    """Print what became of each record that `feed` has counted under the eyes of the log.

    Raises: ExporterError where nothing came of the trace that is asked for.
    """
    log = DecisionLog(MAX_RECORDS, only=options.trace)
    feed(log)
    traces = sorted(log.traces(), key=_began)
    if options.trace is not None and not traces:
        raise ExporterError(_nothing_of(options.trace, options.paths))
    if options.json:
        sys.stdout.writelines(json_of(traces, log.unreadable, log.forgotten_traces))
        return 0
    _print(traces)
    if not traces and not log.unreadable:
        note(f"no span or log record in {', '.join(options.paths)}")
    for reason, n in log.unreadable.most_common():
        note(f"{n} x not read: {reason}")
    if log.forgotten_traces or any(trace.forgotten for trace in traces):
        note(f"only the last {MAX_RECORDS:,} records are explained; --trace picks any")
    return 0


def _began(trace: Trace) -> tuple[bool, int]:
    """Traces by their first moment; what is in none comes last."""
    return not trace.trace_id, min((one.arrival.start_ns for one in trace.records), default=0)


def _nothing_of(trace: bytes, paths: Iterable[str]) -> str:
    named = f"of trace {trace.hex()}" if trace else "outside of a trace"
    return f"no span or log record {named} in {', '.join(paths)}"


def _print(traces: Iterable[Trace]) -> None:
    console = Console(highlight=False)
    for number, trace in enumerate(traces):
        if number:
            print()
        if console.is_terminal:
            for line in lines_of(trace, console.width):
                console.print(_styled(line), soft_wrap=True)
        else:
            sys.stdout.write(plain(lines_of(trace, WIDTH)))


def _styled(line: Line) -> Text:
    # Names come from outside: no markup in them is interpreted.
    return Text.assemble(*line)
