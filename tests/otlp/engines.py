"""Requests as both engines read them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from llm_trace_exporter.content import filters
from llm_trace_exporter.dialects import Context
from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp import native
from llm_trace_exporter.otlp.attributes import KeyFilter
from llm_trace_exporter.otlp.decode import decode_logs, decode_traces
from llm_trace_exporter.otlp.native import EngineName
from llm_trace_exporter.otlp.records import Encoding, SignalName
from tests.otlp.decoding import KEYS, PATTERN, plain

needs_native = pytest.mark.skipif(
    native.chosen("auto") != "native", reason="the native engine is not built: make native"
)
_EVERY_KEY = re.compile(".*", re.DOTALL)
_CONTEXT = Context()

FILTERS: dict[str, Callable[[SignalName, EngineName], KeyFilter]] = {
    "numbers": lambda signal, engine: _usual(signal, engine, with_texts=False),
    "texts": lambda signal, engine: _usual(signal, engine, with_texts=True),
    "few keys": lambda _, engine: KeyFilter(KEYS, PATTERN, engine=engine),
    "every key": lambda _, engine: KeyFilter(
        (),
        _EVERY_KEY,
        fleeting=lambda key: "a" in key,
        bodies=("None", "a"),
        keeps_wire=True,
        engine=engine,
    ),
}
"""Choices of what is read, as the exporter makes them and beyond."""


def _usual(signal: SignalName, engine: EngineName, *, with_texts: bool) -> KeyFilter:
    return filters(_CONTEXT, with_texts=with_texts, engine=engine)[signal == "logs"]


def read(body: bytes, signal: SignalName, encoding: Encoding, keep: KeyFilter) -> object:
    """A request as plain values, or the error that it is."""
    decode = decode_traces if signal == "traces" else decode_logs
    try:
        return plain(decode(body, keep, encoding))
    except DecodeError as error:
        return type(error), str(error)


class Pair:
    """A filter of each engine that remembers what it has read before."""

    def __init__(self, name: str, signal: SignalName) -> None:
        """Take one of FILTERS."""
        self._signal = signal
        self._python, self._native = (FILTERS[name](signal, e) for e in ("python", "native"))

    def agree(self, body: bytes, encoding: Encoding) -> None:
        """Read a request with both, twice: what is remembered changes nothing."""
        expected = read(body, self._signal, encoding, self._python)
        for _ in range(2):
            assert read(body, self._signal, encoding, self._native) == expected

    def is_plain(self, body: bytes, encoding: Encoding) -> bool:
        """Whether the native engine reads all of a request itself."""
        found = self._native.records_of(self._signal, body, encoding)
        return found is not None and not found.has_odd
