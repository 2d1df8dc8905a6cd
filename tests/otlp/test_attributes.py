"""Attributes in every shape that the wire allows, and in bounded amounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    KeyValue,
)

from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp import decode
from llm_trace_exporter.otlp.attributes import MALFORMED
from llm_trace_exporter.otlp.decode import decode_logs, decode_traces
from llm_trace_exporter.otlp.records import Attributes
from tests.otlp.decoding import (
    KEYS,
    attributes_of,
    body_with_attributes,
    decode_one,
    decode_one_with,
    depth_of,
    field,
    good_span,
    keys,
    nested,
    padded,
)

pytestmark = pytest.mark.usefixtures("engine")


def sent(key: str, value: int) -> KeyValue:
    """An attribute."""
    return KeyValue(key=key, value=AnyValue(int_value=value))


def test_keys_that_nobody_reads_are_left_out() -> None:
    span = good_span()
    for key in ("a", "gen_ai.input.messages", "llm.x", "kept.y", "z" * 300):
        span.attributes.add(key=key).value.string_value = "text " * 100
    assert set(decode_one(span).attrs) == {"a", "llm.x", "kept.y"}


NO_KEY = field(1, b"")
A_IS_1 = field(1, b"a") + field(2, b"\x18\x01")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (A_IS_1, {"a": 1}),
        (field(2, b"\x18\x01") + field(1, b"a"), {"a": 1}),
        (field(1, b"zzz") + field(2, b"\x18\x01") + field(1, b"a"), {"a": 1}),
        (field(1, b"a") + field(2, b"\x18\x01") + field(1, b"zzz"), {}),
        (field(1, b"a") + field(2, b"\x18\x01") + field(2, b"\x18\x02"), {"a": 2}),
        (A_IS_1 + field(15, b"unknown") + b"\x78\x05", {"a": 1}),
        (field(15, b"unknown") + A_IS_1, {"a": 1}),
        (b"\x8a\x00\x01a" + field(2, b"\x18\x01"), {"a": 1}),
        (b"\x0a\x81\x00a" + field(2, b"\x18\x01"), {"a": 1}),
        (field(1, b"a") + b"\x12\x82\x80\x00\x18\x01", {"a": 1}),
        (field(1, b"a") + field(2, b"\x18\x81\x00"), {"a": 1}),
        (field(1, b"a") + field(2, b"\x10\x02"), {"a": True}),
        (field(1, b"a"), {"a": None}),
        (field(1, b"a") + field(2, b""), {"a": None}),
        (field(1, b"a") + field(2, b"\x40\x07"), {"a": None}),
        (field(1, b"a") + field(2, b"\x18\x01\x0a\x01x"), {"a": "x"}),
        (field(1, b"a") + field(2, b"\x0a\x01x\x18\x01"), {"a": 1}),
        (field(1, b"a") + field(2, field(1, b"caf\xc3")), {"a": "caf\N{REPLACEMENT CHARACTER}"}),
        (
            field(1, b"a") + field(2, field(5, field(1, field(1, b"\xff")))),
            {"a": ["\N{REPLACEMENT CHARACTER}"]},
        ),
        (
            field(1, b"a") + field(2, field(5, field(1, b"\x18\x01")) * 2),
            {"a": [1, 1]},
        ),
        (field(1, KEYS[-1].encode()) + field(2, b"\x18\x01"), {KEYS[-1]: 1}),
        (field(1, b"\xff") + field(2, b"\x18\x01"), {}),
        (b"", {}),
    ],
)
def test_every_legal_encoding_of_an_attribute_reads_the_same(
    part: bytes, expected: Attributes
) -> None:
    keep = keys()
    body = body_with_attributes(part)
    first = decode_traces(body, keep).spans[0].attrs
    again = decode_traces(body, keep).spans[0].attrs
    assert first == again == expected


def test_of_equal_keys_the_last_wins() -> None:
    two = field(1, b"a") + field(2, b"\x18\x02")
    assert attributes_of(A_IS_1, two) == {"a": 2}
    assert attributes_of(two, A_IS_1) == {"a": 1}


LONG_LENGTH = field(1, b"a") + field(2, b"\x0a" + padded(1, 5) + b"x")


@pytest.mark.parametrize(
    "part", [b"\x0a", b"\x0a\x05a", field(1, b"a") + b"\x12\x7f", b"\x0b", LONG_LENGTH]
)
def test_attribute_that_is_no_message_rejects_its_span(part: bytes) -> None:
    batch = decode_traces(body_with_attributes(part), keys())
    where = "resourceSpans[0].scopeSpans[0].spans[0]"
    assert (batch.spans, batch.rejected) == ([], [f"{where}: {MALFORMED}"])


def test_keys_and_values_that_do_not_pair_up_are_read_one_by_one() -> None:
    keyless, valueless = field(2, b"\x18\x07"), field(1, b"b")
    assert attributes_of(A_IS_1, valueless) == {"a": 1, "b": None}
    assert attributes_of(valueless, A_IS_1) == {"a": 1, "b": None}
    assert attributes_of(keyless, A_IS_1) == {"a": 1}
    event = field(11, field(3, keyless) + field(3, A_IS_1))
    span = decode_traces(body_with_attributes(A_IS_1, then=event), keys()).spans[0]
    assert span.events[0].attrs == {"a": 1}


def test_resource_and_scope_attributes_that_do_not_pair_up_are_read_one_by_one() -> None:
    odd = field(1, field(1, b"b")) + field(1, A_IS_1)
    scope = field(1, field(3, field(1, b"b")) + field(3, A_IS_1))
    raw = field(2, good_span().SerializeToString())
    body = field(1, field(1, odd) + field(2, scope + raw))
    span = decode_traces(body, keys()).spans[0]
    assert span.resource.attrs == span.scope.attrs == {"a": 1, "b": None}


def test_what_is_remembered_is_bounded() -> None:
    keep = keys()
    for start in range(0, 60_000, 20_000):
        span = good_span()
        for number in range(start, start + 20_000):
            span.attributes.add(key="a").value.int_value = number
            span.attributes.add(key=f"llm.{number}").value.array_value.values.add().int_value = 1
        assert len(decode_one_with(span, keep).attrs) == 20_001
    if keep._native is not None:
        keys_known, texts_known = keep._native.remembered
        assert 8_192 <= keys_known <= 16_384 and texts_known <= 16_384
        return
    assert len(keep._values) <= 16_384
    names = keep._columns._names
    assert len(names) <= 8_192
    assert max(map(len, keep._values)) <= 64
    assert max(map(len, names)) <= 128


def test_what_is_remembered_of_key_lists_is_bounded() -> None:
    keep = keys()
    for number in range(20_000):
        decode_one_with(good_span(attributes=[sent("a", 1), sent(str(number), 1)]), keep)
    if keep._native is not None:
        assert keep._native.remembered[0] <= 8_193
    else:
        assert 1_000 < len(keep._columns._known) <= 16_000
    assert decode_one_with(good_span(attributes=[sent("a", 7)]), keep).attrs == {"a": 7}


def test_a_key_with_the_separator_in_it_is_no_two_keys() -> None:
    two = [["a", "x\0b"], ["a\0x", "b"], ["", "a"]]
    lists = [*two, ["a\0x\0b"], ["a", "x", "b"], [], [""], ["\0a"]]
    for order in (lists, lists[::-1]):
        keep = keys()
        for _ in range(2):
            for names in order:
                told = [sent(name, at) for at, name in enumerate(names)]
                wanted = {name: at for at, name in enumerate(names) if name in ("a", "b")}
                assert decode_one_with(good_span(attributes=told), keep).attrs == wanted


def test_nesting_is_bounded() -> None:
    shallow = good_span(attributes=[KeyValue(key="a", value=nested(20))])
    deep = good_span(attributes=[KeyValue(key="a", value=nested(40))])
    assert depth_of(decode_one(shallow).attrs["a"]) == 20
    assert depth_of(decode_one(deep).attrs["a"]) == 32
    part = b"\x18\x01"
    for _ in range(3_000):
        part = field(5, field(1, part))
    assert depth_of(attributes_of(field(1, b"a") + field(2, part))["a"]) == 32


@pytest.mark.parametrize("most", [10_000, pytest.param(decode.MAX_PARTS, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("convert", "swarm"),
    [
        (decode_traces, lambda n: field(1, b"") * n),
        (decode_logs, lambda n: field(1, field(2, field(2, b"") * n))),
        (decode_traces, lambda n: body_with_attributes(NO_KEY * n)),
        (decode_logs, lambda n: field(1, field(2, field(2, field(6, NO_KEY) * n)))),
        (
            decode_logs,
            lambda n: field(1, field(2, field(2, field(6, NO_KEY + b"\x12\x00") * n))),
        ),
    ],
    ids=["groups", "records", "span keys", "log keys", "log attributes"],
)
def test_swarm_of_empty_parts_is_refused(
    convert: Any, swarm: Callable[[int], bytes], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MAX_PARTS", most)
    with pytest.raises(DecodeError, match=f"more than {most} parts"):
        convert(swarm(most + 1), keys())
