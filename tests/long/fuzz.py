"""Coverage-guided fuzzing of one door of the exporter: `python -m tests.long.fuzz TARGET ...`.

What follows the target's name goes to libFuzzer. An input that lets anything but the documented
errors out, moves a number though it was refused, or takes too long, ends it with an error.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import atheris
import msgspec
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

with atheris.instrument_imports(include=["llm_trace_exporter"]):
    from llm_trace_exporter.app import Core
    from llm_trace_exporter.config import effective_yaml
    from llm_trace_exporter.config.load import parse_config
    from llm_trace_exporter.config.settings import Settings
    from llm_trace_exporter.dialects import DIALECTS, Context, Reader
    from llm_trace_exporter.dialects.registry import TABLES, wanted_keys
    from llm_trace_exporter.errors import ConfigError, DecodeError, ExporterError, RejectedRecord
    from llm_trace_exporter.metrics.catalogue import FAMILIES
    from llm_trace_exporter.metrics.series import Histogram
    from llm_trace_exporter.otlp.compression import ENCODINGS, decompress
    from llm_trace_exporter.otlp.decode import decode_traces
    from llm_trace_exporter.otlp.files import iter_requests
    from llm_trace_exporter.otlp.raw import RawSpan
    from llm_trace_exporter.otlp.sink import Encoding, SignalName
    from llm_trace_exporter.state import Entry
    from llm_trace_exporter.state.journal import Codec
    from llm_trace_exporter.texts import span_filter

from tests.dialects.test_hostile_values import VALUES
from tests.facts import Samples
from tests.long.seeds import CORPUS
from tests.spans import raw_log, raw_span

LIMIT = 100_000
MAX_SERIES = 2_000
LOOK_EVERY = 200

Numbers = dict[str, tuple[int, float]]
Target = Callable[[bytes], None]


class Door:
    """An exporter whose every refused request must leave no trace, and whose page can be read."""

    def __init__(self, signal: SignalName, encoding: Encoding) -> None:
        self._signal, self._encoding = signal, encoding
        self._codec = Codec()
        self._taken = 0
        self._begin()

    def _begin(self) -> None:
        self._core = Core(replace(Settings(), zero_hold_s=0))
        self._core.intake._journal = self
        self._seen: Numbers = {}

    def append(self, entry: Entry) -> None:
        """What is kept must come back as it was."""
        assert self._codec.unpack(self._codec.pack(entry)) == entry

    def __call__(self, body: bytes) -> None:
        """Send one request."""
        before = self._numbers()
        try:
            self._core.intake.export(self._signal, self._encoding, body, "file")
        except DecodeError:
            assert self._numbers() == before
            return
        self._taken += 1
        if self._taken % LOOK_EVERY == 0:
            self._look()

    def _numbers(self) -> Numbers:
        found: Numbers = {}
        for family in FAMILIES:
            series = self._core.store.counters(family.name).series.values()
            amounts: Iterable[Any] = series
            found[family.name] = (
                len(series),
                sum(s.total if isinstance(s, Histogram) else s.value for s in amounts),
            )
        return found

    def _look(self) -> None:
        self._core.intake.settle_all()
        at = Samples(self._core.exposition.render().body.decode())
        for samples in at.by_name.values():
            for sample in samples:
                if sample.name.startswith("llm_"):
                    assert 0 <= sample.value < 1e300, sample.name
        now = self._numbers()
        for family in FAMILIES:
            if family.type != "gauge":
                assert now[family.name] >= self._seen.get(family.name, (0, 0.0)), family.name
        self._seen = now
        if self._core.store.series_total() > MAX_SERIES:
            self._begin()


def decompression(data: bytes) -> None:
    """Any encoding of any bytes: within the limit, or refused."""
    names = sorted(ENCODINGS)
    name = names[data[0] % len(names)] if data else ""
    with suppress(DecodeError):
        assert len(decompress(name, data[1:], LIMIT)) <= LIMIT
    for coding, compressed in (
        ("gzip", gzip.compress(data, 1)),
        ("deflate", zlib.compress(data, 1)),
        ("zstd", zstandard.compress(data, 1)),
    ):
        assert decompress(coding, compressed, LIMIT) == data


def configuration(data: bytes) -> None:
    """Any text: all its problems, or settings that can be written and read again."""
    text = data.decode(errors="replace")
    try:
        settings = parse_config(text, "x")
    except ConfigError:
        return
    assert parse_config(effective_yaml(settings), "x") == settings


def journal(data: bytes) -> None:
    """Any bytes in the place of a journal's entry, packed or not."""
    codec = Codec()
    for packed in (data, zstandard.compress(data, 1)):
        try:
            entry = codec.unpack(packed)
        except ExporterError:
            continue
        with suppress(ValueError, TypeError):
            codec.pack(entry)


def _spans() -> list[RawSpan]:
    keys = span_filter(Context().dimensions, with_texts=False)
    found: list[RawSpan] = []
    for folder in sorted(CORPUS.iterdir()):
        if folder.is_dir():
            for request in iter_requests(folder, lambda _: None):
                if (request.signal, request.encoding) == ("traces", "protobuf"):
                    found += decode_traces(request.body, keys).spans
    return found


def dialects() -> Target:
    """Real spans and records of every dialect with a few attributes changed to anything."""
    spans, reader, codec = _spans(), Reader(Context()), Codec()
    keys = sorted(wanted_keys(Context().dimensions))
    values = st.sampled_from(VALUES) | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
    own = [
        (dialect, sorted({where.attr for at in TABLES[dialect.name].values() for where in at}))
        for dialect in DIALECTS
    ]

    @settings(database=None, deadline=None)
    @given(
        st.sampled_from(spans),
        st.dictionaries(st.sampled_from(keys), values, max_size=4),
        st.sampled_from(own),
        st.data(),
    )
    def changed(span, edits, told, data):  # type: ignore[no-untyped-def]
        dialect, own_keys = told
        edits |= data.draw(st.dictionaries(st.sampled_from(own_keys), values, max_size=4))
        scope = data.draw(st.sampled_from([span.scope.name, *dialect.scopes]))
        event = data.draw(st.sampled_from(["", *dialect.logs]))
        attrs = {**span.attrs, **dict.fromkeys(dialect.marks[:1], "x"), **edits}
        read = []
        with suppress(RejectedRecord):
            read.append(reader.span(msgspec.structs.replace(span, attrs=attrs)))
        with suppress(RejectedRecord):
            read.append(reader.span(raw_span(edits, scope=scope)))
        with suppress(RejectedRecord):
            read.append(reader.log(raw_log(attrs, scope=scope, event=event)))
        entry = Entry(0.0, spans=tuple(read))
        assert codec.unpack(codec.pack(entry)) == entry

    fuzz: Target = changed.hypothesis.fuzz_one_input  # type: ignore[attr-defined]
    return fuzz


TARGETS: dict[str, Callable[[], Target]] = {
    "traces": lambda: Door("traces", "protobuf"),
    "logs": lambda: Door("logs", "protobuf"),
    "traces-json": lambda: Door("traces", "json"),
    "logs-json": lambda: Door("logs", "json"),
    "compression": lambda: decompression,
    "config": lambda: configuration,
    "journal": lambda: journal,
    "dialects": dialects,
}


if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name]())
    atheris.Fuzz()
