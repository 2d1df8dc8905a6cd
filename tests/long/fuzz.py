"""Coverage-guided fuzzing of one door of the exporter: `python -m tests.long.fuzz TARGET ...`.

What follows the target's name goes to libFuzzer. An input that lets anything but the documented
errors out, moves a number though it was refused, or takes too long, ends it with an error.
"""

from __future__ import annotations

import gzip
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import atheris
import msgspec
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

with atheris.instrument_imports(include=["llm_trace_exporter"]):
    from llm_trace_exporter.config import effective_yaml
    from llm_trace_exporter.config.load import parse_config
    from llm_trace_exporter.config.settings import Settings, StateSettings
    from llm_trace_exporter.content import span_filter
    from llm_trace_exporter.dialects import DIALECTS, Context, RecordParser
    from llm_trace_exporter.dialects.registry import TABLES, wanted_keys
    from llm_trace_exporter.engine.checkpoint import Rebase, _load
    from llm_trace_exporter.engine.engine import Engine
    from llm_trace_exporter.errors import ConfigError, DecodeError, ExporterError, RejectedRecord
    from llm_trace_exporter.metrics.catalogue import FAMILIES
    from llm_trace_exporter.metrics.restore import StoreLoader
    from llm_trace_exporter.metrics.series import Histogram
    from llm_trace_exporter.otlp.compression import ENCODINGS, decompress
    from llm_trace_exporter.otlp.decode import decode_traces
    from llm_trace_exporter.otlp.files import iter_requests
    from llm_trace_exporter.otlp.records import Encoding, RawSpan, SignalName
    from llm_trace_exporter.storage import Entry, Found, Memory
    from llm_trace_exporter.storage.journal import Codec
    from llm_trace_exporter.storage.rows import DamagedRow, memory_of, seal, series_of

from tests import telling
from tests.dialects.test_hostile_values import VALUES
from tests.facts import Samples
from tests.long.seeds import CORPUS, ROUTES
from tests.spans import raw_log, raw_span

LIMIT = 100_000
MAX_SERIES = 2_000
LOOK_EVERY = 200

REBASE = Rebase(Found(1, 0.0, 0.0), 0.0, 0.0, {})

Numbers = dict[str, tuple[int, float]]
Target = Callable[[bytes], None]


class Counted:
    """An engine whose numbers are looked at: nothing may move them that was refused."""

    def __init__(self, **more: Any) -> None:
        self._settings = replace(Settings(), zero_hold_s=0, **more)
        self._taken = 0
        self._begin()

    def _begin(self) -> None:
        self._engine = Engine(self._settings)
        self._seen: Numbers = {}

    def _numbers(self) -> Numbers:
        found: Numbers = {}
        for family in FAMILIES:
            series = self._engine.store.counters(family.name).series.values()
            amounts: Iterable[Any] = series
            found[family.name] = (
                len(series),
                sum(s.total if isinstance(s, Histogram) else s.value for s in amounts),
            )
        return found

    def _took(self) -> None:
        """Note one input that was taken; look at the page now and then."""
        self._taken += 1
        if self._taken % LOOK_EVERY == 0:
            self._look()

    def _look(self) -> None:
        self._engine.ingester.settle_all()
        at = Samples(self._engine.exposition.render().body.decode())
        for samples in at.by_name.values():
            for sample in samples:
                if sample.name.startswith("llm_"):
                    assert 0 <= sample.value < 1e300, sample.name
        now = self._numbers()
        for family in FAMILIES:
            if family.type != "gauge":
                assert now[family.name] >= self._seen.get(family.name, (0, 0.0)), family.name
        self._seen = now
        if self._engine.store.series_total() > MAX_SERIES:
            self._begin()


class Door(Counted):
    """OTLP; what is taken is packed for the state file and must come back as it was."""

    def __init__(self, signal: SignalName, encoding: Encoding) -> None:
        self._signal, self._encoding = signal, encoding
        self._codec = Codec()
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        self._engine.ingester._journal = self

    def append(self, entry: Entry) -> None:
        """What is kept must come back as it was."""
        assert self._codec.unpack(self._codec.pack(entry)) == entry

    def __call__(self, body: bytes) -> None:
        """Send one request."""
        before = self._numbers()
        try:
            self._engine.ingester.ingest_request(self._signal, self._encoding, body, "file")
        except DecodeError:
            assert self._numbers() == before
            return
        self._took()


class Route(Counted):
    """One route of scores."""

    def __init__(self, path: str) -> None:
        self._path = path
        super().__init__()

    def _begin(self) -> None:
        super()._begin()
        self._door = telling.Door(self._engine)

    def __call__(self, body: bytes) -> None:
        """Post one document."""
        before = self._counted()
        status = self._door.post(self._path, body)
        assert status in (200, 202, 207, 400, 413), status
        if status >= 400:
            assert self._counted() == before
            return
        self._took()

    def _counted(self) -> Numbers:
        # That a request was refused is counted, of course.
        numbers = self._numbers()
        del numbers["llm_exporter_requests_rejected_total"]
        return numbers


class Rows(Counted):
    """Rows of the state file that are sealed as they should be and hold anything."""

    def __init__(self) -> None:
        filled, reporter = Engine(Settings()), telling.Reporter(1)
        door = telling.Door(filled)
        for _ in range(30):
            door.send(reporter.next())
        saved = filled.ingester.save(every=True)
        self._names = sorted({part.name for part in saved.parts} | {"budgets", "judge"})
        super().__init__(state=StateSettings(f"{tempfile.mkdtemp()}/state.db"))

    def __call__(self, data: bytes) -> None:
        """One row: of a memory, a series, or the journal."""
        place, payload = (data[0], data[1:]) if data else (0, b"")
        kind = place % (len(self._names) + 2)
        if kind < len(self._names):
            self._memory(self._names[kind], payload)
        elif kind == len(self._names):
            self._series(payload)
        else:
            journal(payload)
        self._took()

    def _memory(self, name: str, payload: bytes) -> None:
        try:
            memory = memory_of(name, 1, 0, 1, seal(f"{name}/1/0/1", payload))
        except DamagedRow:
            memory = Memory(name, 1, payload, 1)
        checkpointer = self._engine.checkpointer
        assert checkpointer is not None
        checkpointer._remember(memory, REBASE)
        self._engine.ingester.restored()
        self._engine.ingester.wait_again()

    def _series(self, payload: bytes) -> None:
        family, labels = FAMILIES[len(payload) % len(FAMILIES)].name, '{"model":"x"}'
        with suppress(DamagedRow):
            saved = series_of(family, labels, 1, seal(f"{family}{labels}1", payload))
            _load(StoreLoader(self._engine.store), saved, 0.0)


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
    keys = span_filter(Context(), with_texts=False)
    found: list[RawSpan] = []
    for folder in sorted(CORPUS.iterdir()):
        if folder.is_dir():
            for request in iter_requests(folder, lambda _: None):
                if (request.signal, request.encoding) == ("traces", "protobuf"):
                    found += decode_traces(request.body, keys).spans
    return found


def dialects() -> Target:
    """Real spans and records of every dialect with a few attributes changed to anything."""
    spans, reader, codec = _spans(), RecordParser(Context()), Codec()
    keys = sorted(wanted_keys(Context()))
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
        attrs = {**span.attrs, **dict.fromkeys(dialect.detect_by[:1], "x"), **edits}
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
    "state": Rows,
    **{name: partial(Route, path) for name, path in ROUTES.items()},
    "dialects": dialects,
}


if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name]())
    atheris.Fuzz()
