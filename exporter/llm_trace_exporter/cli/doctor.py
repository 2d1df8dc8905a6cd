"""The options of `doctor`, and what they start."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from ..config.arguments import duration_to
from ..config.http_file import HttpFile, load_http_file
from ..doctor import shipped
from ..doctor.asking import CannotAsk, Server
from ..doctor.checks import examine
from ..doctor.cluster import ask_cluster
from ..doctor.findings import LEVELS
from ..doctor.gather import gather
from ..doctor.report import as_json, as_text
from ..errors import ConfigError
from .notes import note

_DEFAULT = "http://localhost:9090"
_CANNOT_ASK = 2
_TOKEN = frozenset("!#$%&'*+-.^_`|~")


def add_options(doctor: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = doctor.add_argument
    add("--prometheus", metavar="URL", default=_DEFAULT, help="Prometheus, or what speaks its API, "
        f"with its prefix (default {_DEFAULT})")  # fmt: skip
    add("--exporter", metavar="URL", help="ask the exporter's own /metrics, too")
    add("--kubectl", nargs="?", const="kubectl", metavar="COMMAND", help="ask the cluster, too: "
        "who selects the ServiceMonitor and the rules (default command: kubectl)")  # fmt: skip
    add("--rules", type=Path, metavar="FOLDER", help="rule files that should be loaded "
        "(default those of this version)")  # fmt: skip
    add("--dashboards", type=Path, metavar="FOLDER", help="JSON of dashboards whose panels are "
        "checked (default those of this version)")  # fmt: skip
    add("--http.config.file", dest="http_config_file", type=Path, metavar="FILE",
        help="credentials and TLS for Prometheus, in promtool's format")  # fmt: skip
    add("--exporter.http.config.file", dest="exporter_config_file", type=Path, metavar="FILE",
        help="the same for --exporter")  # fmt: skip
    add("--header", action="append", default=[], metavar="NAME=VALUE",
        help="a header of each request, such as X-Scope-OrgID=tenant; repeatable")  # fmt: skip
    add("--output", choices=("text", "json"), default="text")
    add("--fail-on", choices=("problem", "warning"), default="problem",
        help="what makes the exit code 1 (default problem)")  # fmt: skip
    add("--timeout", dest="timeout_s", type=duration_to(300), default=10.0, metavar="DURATION",
        help="for each question (default 10s)")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Find out and tell: 0 all is well, 1 something is not, 2 nothing could be found out.

    Raises: ConfigError where options or their files cannot be used.
    """
    http, of_exporter = map(_http, (options.http_config_file, options.exporter_config_file))
    timeout_s = max(options.timeout_s, 0.1)
    rules = shipped.load_rules(options.rules or shipped.RULES)
    panels = shipped.load_panels(options.dashboards or shipped.DASHBOARDS)
    headers = [_header(written) for written in options.header]
    with ExitStack() as closer:
        server = Server(options.prometheus, "--prometheus", timeout_s, http, headers)
        closer.enter_context(closing(server))
        exporter = None
        if options.exporter:
            exporter = Server(
                _metrics(options.exporter), "--exporter", timeout_s, of_exporter
            )  # fmt: skip
            closer.enter_context(closing(exporter))
        try:
            objects = ask_cluster(options.kubectl, 3 * timeout_s) if options.kubectl else {}
            facts = gather(server, rules, panels, exporter, objects)
        except CannotAsk as error:
            note(error)
            return _CANNOT_ASK
    said = list(examine(facts))
    if options.output == "json":
        print(as_json(facts, said))
    else:
        as_text(facts, said, _console())
    bad = LEVELS[LEVELS.index(options.fail_on) :]
    return int(any(finding.level in bad for _, finding in said))


def _http(path: Path | None) -> HttpFile:
    return load_http_file(path) if path else HttpFile()


def _metrics(url: str) -> str:
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + "/metrics"


def _header(written: str) -> tuple[str, str]:
    name, equals, value = written.partition("=")
    name, value = name.strip(), value.strip()
    is_token = bool(name) and all(c in _TOKEN or (c.isascii() and c.isalnum()) for c in name)
    if not equals or not is_token or not value.isprintable() or not value.isascii():
        raise ConfigError(["--header: found no header; allowed: NAME=VALUE"])
    return name, value


def _console() -> Console:
    """Standard output; wide enough to be read and searched where it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=110, highlight=False)
