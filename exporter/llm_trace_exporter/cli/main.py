"""The command line: `llm-trace-exporter`. Thin: options in, exit codes out.

Exit codes: 0 done, 1 failed while running, 2 the command line or configuration cannot be used.

What a command needs is loaded when it is asked for: all of it takes a CPU most of a second, which
every probe of `healthcheck` would pay.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .. import __version__
from ..errors import ConfigError, ExporterError
from .notes import note

_FAILED, _UNUSABLE = 1, 2
Run = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = sys.argv[1:] if argv is None else argv
    options = _parser(given).parse_args(given)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        note(error)
        return _UNUSABLE
    except BrokenPipeError:
        # Whoever read our output has seen enough; the interpreter's own flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except (ExporterError, OSError) as error:
        note(error)
        return _FAILED
    except KeyboardInterrupt:
        return 130
    return code


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """All commands, with the options of the one that is asked for."""
    parser = argparse.ArgumentParser(
        prog="llm-trace-exporter", description="LLM traces in over OTLP, Prometheus metrics out."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    asked = next((argument for argument in given if not argument.startswith("-")), "")
    for name, (declare, text) in _COMMANDS.items():
        about = text[0].upper() + text[1:] + "."
        command = commands.add_parser(name, help=text, description=about)
        if name == asked:
            command.set_defaults(run=declare(command))
    return parser


def _serve(command: argparse.ArgumentParser) -> Run:
    from .commands import serve
    from .options import add_serve_options

    add_serve_options(command)
    return serve


def _replay(command: argparse.ArgumentParser) -> Run:
    from .commands import replay
    from .options import add_config_option

    command.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, or - for stdin")
    command.add_argument("--summary", action="store_true", help="print a table per model instead")
    command.add_argument("--openmetrics", action="store_true", help="print OpenMetrics 1.0")
    add_config_option(command)
    return replay


def _explain(command: argparse.ArgumentParser) -> Run:
    from .commands import explain
    from .explain import add_options
    from .options import add_config_option

    add_options(command)
    add_config_option(command)
    return explain


def _cardinality(command: argparse.ArgumentParser) -> Run:
    from .commands import cardinality
    from .options import add_config_option

    command.add_argument("paths", nargs="+", metavar="PATH", help="as for replay")
    add_config_option(command)
    return cardinality


def _evaluate(command: argparse.ArgumentParser) -> Run:
    from .commands import evaluate
    from .evaluate import add_options
    from .options import add_config_option

    add_options(command)
    add_config_option(command)
    return evaluate


def _check(command: argparse.ArgumentParser) -> Run:
    from .commands import check
    from .options import add_config_option

    command.add_argument("file", nargs="?", type=Path, metavar="FILE", help="as --config.file")
    add_config_option(command)
    command.add_argument(
        "--explain", metavar="PATH", help="show what is read of each span of recorded OTLP"
    )
    command.add_argument(
        "--connect", action="store_true", help="try each of `sources` with one small read"
    )

    def run(options: argparse.Namespace) -> int:
        if options.file is not None and options.config_file is not None:
            command.error("FILE and --config.file are the same: give one of them")
        options.file = options.file or options.config_file
        if options.file is None and options.explain is None:
            command.error("FILE, --config.file or --explain is needed")
        return check(options)

    return run


def _healthcheck(command: argparse.ArgumentParser) -> Run:
    from .healthcheck import add_options, run

    add_options(command)
    return run


def _price(command: argparse.ArgumentParser) -> Run:
    from .commands import price
    from .options import add_price_options

    add_price_options(command)
    return price


def _simulate(command: argparse.ArgumentParser) -> Run:
    from .simulate import add_options, run

    add_options(command)
    return run


def _doctor(command: argparse.ArgumentParser) -> Run:
    from .doctor import add_options, run

    add_options(command)
    return run


def _completion(command: argparse.ArgumentParser) -> Run:
    from .completion import bash

    command.add_argument("shell", choices=("bash",), help="zsh takes it with bashcompinit")

    def run(_: argparse.Namespace) -> int:
        print(bash({name: _options(declare) for name, (declare, _) in _COMMANDS.items()}))
        return 0

    return run


def _options(declare: Callable[[argparse.ArgumentParser], Run]) -> list[str]:
    parser = argparse.ArgumentParser()
    declare(parser)
    # argparse tells them nowhere else.
    return [name for name in parser._option_string_actions if name.startswith("--")]


def _version(_: argparse.ArgumentParser) -> Run:
    def run(_: argparse.Namespace) -> int:
        print(f"llm-trace-exporter {__version__} (python {sys.version.split()[0]})")
        return 0

    return run


_COMMANDS: Mapping[str, tuple[Callable[[argparse.ArgumentParser], Run], str]] = {
    "serve": (_serve, "receive OTLP and serve metrics"),
    "replay": (_replay, "count recorded OTLP and print the metrics"),
    "explain": (_explain, "say of recorded OTLP what counts, what does not, and why"),
    "cardinality": (_cardinality, "tell how many series recorded OTLP would make"),
    "evaluate": (_evaluate, "ask the judge's rules of recorded OTLP"),
    "check": (_check, "validate a configuration file"),
    "healthcheck": (_healthcheck, "ask servers whether they are well"),
    "price": (_price, "explain the price of one call"),
    "simulate": (_simulate, "send made-up traffic, or write its history"),
    "doctor": (_doctor, "ask a Prometheus what keeps metrics, rules and panels from working"),
    "completion": (_completion, "print what completes commands and options in a shell"),
    "version": (_version, "print the version"),
}
"""Name -> what declares its options and returns what runs it, and what is said of it."""
