"""The native engine, where it is installed: `exporter/native`.

It is a distribution of its own, so that installing the exporter needs no compiler; without it, or
with one of another version, everything is read in Python.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from ..errors import ConfigError
from .records import RawEvent, RawLog, RawSpan, Resource, Scope

EngineName = Literal["python", "native"]
DISTRIBUTION = "llm-trace-exporter-native"
INTERFACE = 1
"""Of the module, which says the same: what is called, and what is given back."""


class Records(Protocol):
    """Spans or log records, and instead of each that is odd a `from_native.Odd`."""

    parts: int
    """How many parts of a request were counted; of odd records themselves only."""
    has_odd: bool

    def __iter__(self) -> Iterator[Any]:
        """Itself."""
        ...

    def __next__(self) -> Any:
        """The next."""
        ...


class Reader(Protocol):
    """Reads requests for one choice of keys, and remembers these; safe for several threads."""

    remembered: tuple[int, int]
    """How many keys and texts."""

    def read(
        self,
        body: bytes,
        is_logs: bool,
        is_json: bool,
        keep: Callable[[str], bool],
        fleeting: Callable[[str], bool] | None,
        keeps_wire: bool,
        bodies: frozenset[str] | None,
        max_parts: int,
    ) -> Records | None:
        """The records of a request; None where they are Python's to read."""
        ...


def _load() -> Any | None:
    try:
        module = importlib.import_module("llm_trace_exporter_native")
    except ImportError:
        return None
    return module if getattr(module, "INTERFACE", None) == INTERFACE else None


_module = _load()


def chosen(engine: Literal["auto", "python", "native"]) -> EngineName:
    """Which engine a configuration means.

    Raises: ConfigError where it is one that is not installed.
    """
    if engine == "native" and _module is None:
        problem = (
            f"engine: native is not installed in a version that fits: {DISTRIBUTION} has it; "
            "with `engine: auto`, Python reads where it is missing"
        )
        raise ConfigError([problem])
    return "python" if engine == "python" or _module is None else "native"


def reader() -> Reader | None:
    """A reader that remembers nothing yet; None where the engine is not installed."""
    if _module is None:
        return None
    made: Reader = _module.Reader(RawSpan, RawEvent, RawLog, Resource, Scope)
    return made
