"""An exporter in this process, and what it is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from llm_trace_exporter.app.exporter import Exporter
from llm_trace_exporter.config import Settings
from llm_trace_exporter.config.settings import (
    OtlpGrpcSettings,
    OtlpHttpSettings,
    OtlpSettings,
    TokenSettings,
    WebSettings,
)
from tests.facts import Samples

HASH = "$2b$04$abcdefghijklmnopqrstuu"


def settings_with(
    web: Path | None = None,
    http: Path | None = None,
    grpc: Path | None = None,
    tokens: tuple[TokenSettings, ...] = (),
) -> Settings:
    """Free ports of 127.0.0.1, guarded by these files."""
    return replace(
        Settings(),
        zero_hold_s=0.0,
        decision_wait_s=0.0,
        web=WebSettings(("127.0.0.1:0",), config_file=str(web or "")),
        otlp=OtlpSettings(
            http=OtlpHttpSettings("127.0.0.1:0", str(http or "")),
            grpc=OtlpGrpcSettings("127.0.0.1:0", str(grpc or "")),
            tokens=tokens,
        ),
    )


@contextmanager
def running(settings: Settings, load: Callable[[], Settings] | None = None) -> Iterator[Any]:
    """A started exporter; `address(purpose)` and `samples()` are what a test needs of it."""
    exporter = Exporter(settings, load or (lambda: settings))
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.stop()


def address(exporter: Exporter, purpose: str) -> str:
    """host:port of a listener."""
    return dict(exporter.listeners())[purpose]


def samples(exporter: Exporter) -> Samples:
    """What it would answer to a scrape."""
    exporter.engine.ingester.settle_all()
    return Samples(exporter.render("", [])[0].decode())


def eventually(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Return when `condition` holds; fail when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def get(url: str, **options: Any) -> requests.Response:
    """An answer on a connection of its own."""
    return requests.get(url, timeout=10, headers={"Connection": "close"}, **options)
