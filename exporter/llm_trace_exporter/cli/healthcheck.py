"""`healthcheck`: whether servers answer, asked from inside the image, which has no curl.

Targets are `http://` and `https://` addresses, which must answer with 200, and `tcp://host:port`,
which must take a connection.
"""

from __future__ import annotations

import argparse
import socket
import ssl
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from ..config.arguments import duration_to
from ..errors import ExporterError

_DEFAULT = "http://localhost:9891/-/ready"
_PAUSE_S = 0.5
_PORTS = {"http": 80, "https": 443}


def add_options(healthcheck: argparse.ArgumentParser) -> None:
    """Declare the options."""
    healthcheck.add_argument(
        "targets", nargs="*", metavar="TARGET",
        help=f"http(s)://host:port/path or tcp://host:port (default {_DEFAULT})",
    )  # fmt: skip
    healthcheck.add_argument(
        "--wait", dest="wait_s", type=duration_to(3600), default=0.0, metavar="DURATION",
        help="how long to try again (default 0s)",
    )  # fmt: skip
    healthcheck.add_argument(
        "--timeout", dest="timeout_s", type=duration_to(60), default=3.0, metavar="DURATION",
        help="for each attempt (default 3s)",
    )  # fmt: skip
    healthcheck.add_argument(
        "--ca-file", metavar="FILE", help="authorities of https targets (default the system's)"
    )


def run(options: argparse.Namespace) -> int:
    """Ask every target; 0 when all are well.

    Raises: ExporterError for the first that is not, when the time to wait is over.
    """
    deadline = time.monotonic() + options.wait_s
    # All of them, before anybody is asked: a typing error is told at once.
    targets = [_parsed(target) for target in options.targets or [_DEFAULT]]
    context = _context(options.ca_file)
    for target in targets:
        while (problem := _problem(target, max(options.timeout_s, 0.1), context)) is not None:
            if time.monotonic() + _PAUSE_S > deadline:
                raise ExporterError(f"{target.geturl()}: {problem}")
            time.sleep(_PAUSE_S)
        print(f"{target.geturl()}: well")
    return 0


def _context(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ExporterError(f"--ca-file {ca_file}: {error}") from error


def _parsed(target: str) -> SplitResult:
    allowed = "http://host:port/path, https://host:port/path or tcp://host:port"
    try:
        url = urlsplit(target)
        port = url.port
    except ValueError as error:
        raise ExporterError(f"{target}: {error}; allowed: {allowed}") from error
    if url.scheme not in {*_PORTS, "tcp"} or not url.hostname or url.username is not None:
        raise ExporterError(f"{target}: not a target; allowed: {allowed}")
    if url.scheme == "tcp" and not port:
        raise ExporterError(f"{target}: has no port; allowed: {allowed}")
    return url


def _problem(url: SplitResult, timeout_s: float, context: ssl.SSLContext) -> str | None:
    """What is wrong with it now; None: it is well."""
    host, port = url.hostname or "", url.port or _PORTS.get(url.scheme, 0)
    try:
        if url.scheme == "tcp":
            socket.create_connection((host, port), timeout_s).close()
            return None
        connection = (
            HTTPSConnection(host, port, timeout=timeout_s, context=context)
            if url.scheme == "https"
            else HTTPConnection(host, port, timeout=timeout_s)
        )
        try:
            path = url.path or "/"
            connection.request("GET", f"{path}?{url.query}" if url.query else path)
            status = connection.getresponse().status
        finally:
            connection.close()
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__
    return None if status == 200 else f"answered {status}"
