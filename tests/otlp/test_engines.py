"""Both engines read every request alike: to the same records, for the same reasons not."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.errors import ConfigError
from llm_trace_exporter.otlp import native
from llm_trace_exporter.otlp.limits import MAX_PARTS
from llm_trace_exporter.otlp.records import Encoding, SignalName
from tests.draws import draws
from tests.e2e.wire import to_otlp_json
from tests.every import every
from tests.otlp.decoding import field, good_span, padded, trace_json, varint
from tests.otlp.engines import FILTERS, Pair, needs_native, read
from tests.otlp.test_decode_properties import json_values, log_requests, trace_requests

pytestmark = needs_native

TESTS = Path(__file__).parents[1]
SIGNALS: tuple[SignalName, ...] = ("traces", "logs")
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
PAIRS = {(name, signal): Pair(name, signal) for name in FILTERS for signal in SIGNALS}
_CAPTURED = re.compile(r"\.(traces|logs)\.(pb|json)$")
CAPTURES = [path for path in sorted(TESTS.rglob("*.*.*")) if _CAPTURED.search(path.name)]
FUZZED = [path for path in sorted((TESTS / "long" / "corpus").rglob("*")) if path.is_file()]


def agree(body: bytes, *encodings: Encoding) -> None:
    """As traces and as logs, with every choice of keys."""
    for pair in PAIRS.values():
        for encoding in encodings or ENCODINGS:
            pair.agree(body, encoding)


@every(CAPTURES)
def test_every_capture_is_read_alike_and_by_the_native_engine_alone(path: Path) -> None:
    found = _CAPTURED.search(path.name)
    assert found is not None
    signal: SignalName = "traces" if found[1] == "traces" else "logs"
    encoding: Encoding = "json" if found[2] == "json" else "protobuf"
    body = path.read_bytes()
    for name in FILTERS:
        PAIRS[name, signal].agree(body, encoding)
        assert PAIRS[name, signal].is_plain(body, encoding)


@every(FUZZED)
def test_what_a_fuzzer_found_is_read_alike(path: Path) -> None:
    agree(path.read_bytes())


@given(message=trace_requests())
@draws(200)
def test_any_spans(message: Any) -> None:
    agree(message.SerializeToString(), "protobuf")
    agree(to_otlp_json(message), "json")


@given(message=log_requests())
@draws(200)
def test_any_log_records(message: Any) -> None:
    agree(message.SerializeToString(), "protobuf")
    agree(to_otlp_json(message), "json")


@given(message=trace_requests() | log_requests(), data=st.data(), is_json=st.booleans())
@draws(400)
def test_any_damage(message: Any, data: st.DataObject, is_json: bool) -> None:
    body = bytearray(to_otlp_json(message) if is_json else message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        if body:
            at = data.draw(st.integers(0, len(body) - 1))
            body[at : at + data.draw(st.integers(0, 2))] = data.draw(
                st.binary(max_size=3) | st.sampled_from(JSON_PIECES)
            )
    agree(bytes(body), "json" if is_json else "protobuf")


JSON_PIECES = [
    *(b"null", b"NaN", b"-Infinity", b"1e999", b"-0", b"0.5", b"[]", b"{}", b"{", b"]", b",", b":"),
    *(rb"\ud800", rb"\ud83d\ude00", rb"\u0000", b"\xff", b'"', b"\\", b"9" * 30, b"true", b" "),
]

_wire_numbers = st.integers(0, 300) | st.integers(0, 2**64 - 1)


@st.composite
def _varints(draw: st.DrawFn, numbers: st.SearchStrategy[int] = _wire_numbers) -> bytes:
    """A varint, now and then of more bytes than it needs."""
    return padded(draw(numbers), draw(st.sampled_from([0, 0, 0, 1, 5, 9])))


@st.composite
def _messages(draw: st.DrawFn, depth: int = 0) -> bytes:
    """Fields as no library writes them: twice, of another type, in groups, in pieces."""
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        tag, kind = draw(st.integers(0, 16)) << 3, draw(st.sampled_from([2, 2, 2, 0, 1, 3, 5]))
        match kind:
            case 0:
                content = draw(_varints())
            case 2:
                inner = _content(draw, depth)
                content = draw(_varints(st.just(len(inner)))) + inner
            case 3:
                content = draw(_messages(3)) + varint(tag | 4)
            case _:
                size = 8 if kind == 1 else 4
                content = draw(st.binary(min_size=size, max_size=size))
        parts.append(draw(_varints(st.just(tag | kind))) + content)
    return b"".join(parts)


def _content(draw: st.DrawFn, depth: int) -> bytes:
    leaf = draw(st.sampled_from([b"a", b"llm.x", b"unread", b"t" * 16, b"s" * 8, b"", b"\xff"]))
    return leaf if depth > 2 or draw(st.booleans()) else draw(_messages(depth + 1))


@given(more=_messages(), where=st.integers(0, 3), value=_messages(2))
@draws(400)
def test_any_fields(more: bytes, where: int, value: bytes) -> None:
    """A request with strange fields in the request, a group, a scope or a record."""
    pair = field(1, b"a") + field(2, value)
    inner = good_span().SerializeToString() + field(9, pair) + field(11, field(3, pair))
    resource = field(1, pair) + (more if where == 0 else b"")
    for number in (2, 2, 1):
        inner = field(number, inner + (more if where == number else b""))
        inner = (field(1, resource) if number == 2 else b"") + inner
    agree(inner + (more if where == 3 else b""), "protobuf")


@pytest.mark.parametrize("padding", range(10))
@pytest.mark.parametrize("at", range(5))
def test_lengths_of_more_bytes_than_they_need(at: int, padding: int) -> None:
    """Of a text, its value, the attribute, the record or its scope."""
    raw = b"text"
    for place, head in enumerate((b"\x0a", b"\x0a\x05llm.x\x12", b"\x4a", b"\x12", b"\x12")):
        raw = head + padded(len(raw), padding if place == at else 0) + raw
        raw = good_span().SerializeToString() + raw if place == 2 else raw
    agree(field(1, raw), "protobuf")


@pytest.mark.parametrize("part", [b"\x0a\x00", b"\x0a\x02\x12\x00", b"\x12\x00"])
@pytest.mark.parametrize("count", [4_000, 5_000, 200_000])
def test_very_many_parts_without_a_record(part: bytes, count: int) -> None:
    """They would take many times their size: the native engine reads no more than anybody sends."""
    good = field(1, field(2, field(2, good_span().SerializeToString())))
    body = good + (part * count if part[0] == 0x0A else field(1, part * count))
    pair = PAIRS["few keys", "traces"]
    pair.agree(body, "protobuf")
    assert pair.is_plain(body, "protobuf") == (count == 4_000 and len(part) == 2)


@given(document=json_values)
def test_any_json(document: object) -> None:
    agree(json.dumps(document).encode(), "json")


@pytest.mark.parametrize(
    "fields",
    [
        '"attributes":[{"key":"a","value":{"doubleValue":1e999}}]',
        '"attributes":[{"key":"a","value":{"doubleValue":-0}}]',
        '"attributes":[{"key":"a","value":{"doubleValue":123456789012345678901234567890}}]',
        '"attributes":[{"key":"a","value":{"intValue":-9223372036854775808}}]',
        '"attributes":[{"key":"a","value":{"intValue":9223372036854775808}}]',
        '"attributes":[{"key":"a","value":{"intValue":"+07"}}]',
        '"attributes":[{"key":"a","value":{"intValue":"+-5"}}]',
        '"attributes":[{"key":"a","value":{"intValue":"-+5"}}]',
        '"attributes":[{"key":"a","value":{"intValue":"++5"}}]',
        '"attributes":[{"key":"a","value":{"intValue":"+"}}]',
        '"startTimeUnixNano":"+-5"',
        '"kind":"+-3"',
        '"attributes":[{"key":"a","value":{"intValue":7.0}}]',
        '"attributes":[{"value":{"stringValue":"\\u00e9\\ud83d\\ude00"},"key":"a"}]',
        '"attributes":[{"key":"a","value":{"stringValue":"x","intValue":1,"stringValue":"y"}}]',
        '"attributes":[{"key":"a","value":{"stringValue":null,"intValue":1}}]',
        '"attributes":[null,{"key":"a","value":null},{"key":"a"}]',
        '"attributes":[{"key":"unread","value":7},{"key":"a","value":{"boolValue":true}}]',
        '"attributes":[{"key":"a","value":7}]',
        '"\\u006bind":3',
        '"kind":"SPAN_KIND_CLIENT","status":{"message":"m","code":"STATUS_CODE_ERROR"}',
        '"kind":"3","status":{"code":"2"}',
        f'"unread":{"9" * 5_000}',
        f'"unread":{"[" * 150}{"]" * 150}',
        f'"unread":{"[" * 900}{"]" * 900}',
        '"events":[{"name":"e","attributes":[{"key":"a","value":{"intValue":"1"}}]},null]',
    ],
    ids=lambda fields: fields[:60],
)
def test_json_at_the_edges(fields: str) -> None:
    agree(trace_json(fields), "json")


@pytest.mark.parametrize("depth", [31, 32, 33, 60])
def test_depth(depth: int) -> None:
    value = '{"arrayValue":{"values":[' * depth + '{"intValue":1}' + "]}}" * depth
    agree(trace_json(f'"attributes":[{{"key":"a","value":{value}}}]'), "json")


@pytest.mark.parametrize("over", [0, 1])
def test_the_number_of_parts(over: int) -> None:
    """One group, one scope, one span, and attributes that nobody needs to read."""
    attributes = field(9, field(1, b"u") + field(2, b"")) * (MAX_PARTS - 3 + over)
    body = field(1, field(2, field(2, good_span().SerializeToString() + attributes)))
    pair = PAIRS["few keys", "traces"]
    pair.agree(body, "protobuf")
    assert pair.is_plain(body, "protobuf") == (over == 0)
    odd = field(1, field(2, field(2, b"\x00") + field(2, good_span().SerializeToString())))
    pair.agree(odd + body, "protobuf")


def test_a_malformed_record_leaves_the_others_to_the_native_engine() -> None:
    good = good_span().SerializeToString()
    body = field(1, field(2, b"".join(field(2, raw) for raw in (good, b"\x00", good))))
    found = FILTERS["numbers"]("traces", "native").records_of("traces", body, "protobuf")
    assert found is not None and found.has_odd
    assert [type(record).__name__ for record in found] == ["RawSpan", "tuple", "RawSpan"]


def test_threads_that_ask_about_new_keys_at_once_read_alike() -> None:
    keep = FILTERS["few keys"]("traces", "native")
    plainly = FILTERS["few keys"]("traces", "python")
    bodies = []
    for number in range(200):
        pairs = (field(1, f"{head}{number % 50}".encode()) for head in ("llm.", "unread."))
        value = field(2, field(1, str(number).encode()))
        raw = good_span().SerializeToString() + b"".join(field(9, p + value) for p in pairs)
        bodies.append(field(1, field(2, field(2, raw) * 20)))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda body: read(body, "traces", "protobuf", keep), bodies)
    assert list(found) == [read(body, "traces", "protobuf", plainly) for body in bodies]


def test_more_keys_than_are_remembered_are_read_alike() -> None:
    pair = Pair("few keys", "traces")
    for first in range(0, 20_000, 500):
        for head in ("llm.", "unread.", "llm." + "x" * 130):
            attributes = b"".join(
                field(9, field(1, f"{head}{n}".encode()) + field(2, field(1, b"v")))
                for n in range(first, first + 500)
            )
            raw = good_span().SerializeToString() + attributes
            pair.agree(field(1, field(2, field(2, raw))), "protobuf")


def test_an_engine_that_is_missing_is_an_error_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [native.chosen(e) for e in ("auto", "python", "native")] == [
        "native",
        "python",
        "native",
    ]
    monkeypatch.setattr(native, "_module", None)
    assert [native.chosen(e) for e in ("auto", "python")] == ["python", "python"]
    with pytest.raises(ConfigError, match=r"^engine: native is not installed"):
        native.chosen("native")
