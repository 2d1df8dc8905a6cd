"""One malformed member, wherever it is, changes nothing but its own record or container."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from llm_trace_exporter.otlp.attributes import MALFORMED
from llm_trace_exporter.otlp.decode import decode_traces, decode_traces_json
from llm_trace_exporter.otlp.records import Batch, RawSpan
from tests.draws import draws
from tests.e2e.wire import to_otlp_json
from tests.otlp.decoding import field, good_span, keys, plain

pytestmark = pytest.mark.usefixtures("engine")

Path = tuple[str | int, ...]


def request() -> ExportTraceServiceRequest:
    """Two resources, two scopes each, two spans each, everything set that is read."""
    message = ExportTraceServiceRequest()
    for group in range(2):
        resource_spans = message.resource_spans.add()
        resource_spans.resource.attributes.add(key="service.name").value.string_value = f"s{group}"
        for scope in range(2):
            scope_spans = resource_spans.scope_spans.add()
            scope_spans.scope.name = f"scope{scope}"
            scope_spans.scope.attributes.add(key="b").value.bool_value = True
            for number in range(2):
                place = 1 + 4 * group + 2 * scope + number
                span = good_span(span_id=place.to_bytes(8, "big"), kind=3, trace_state="ot=th:8")
                span.attributes.add(key="a").value.int_value = place
                span.attributes.add(key="unread").value.double_value = 0.5
                event = span.events.add(name="event", time_unix_nano=5)
                event.attributes.add(key="b").value.array_value.values.add().int_value = 7
                span.links.add(trace_id=b"t" * 16)
                span.status.code = Status.STATUS_CODE_ERROR
                scope_spans.spans.append(span)
    return message


REQUEST = request()
DOCUMENT = json.loads(to_otlp_json(REQUEST))


def by_id(batch: Batch) -> dict[bytes, object]:
    """What each span says, with all that is around it."""
    assert len({span.span_id for span in batch.spans}) == len(batch.spans)
    return {span.span_id: _whole(span) for span in batch.spans}


def _whole(span: RawSpan) -> object:
    return plain(Batch(spans=[span]))


WHOLE = by_id(decode_traces(REQUEST.SerializeToString(), keys()))


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    """Every place of a document but the outermost two, which make it a request."""
    if len(path) > 1:
        yield path
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*path, key))


PLACES = sorted(places(DOCUMENT), key=str)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def within(path: Path) -> set[bytes]:
    """Ids of the spans whose member, or whose surroundings, a place is."""
    _, group, *rest = path
    first, number = 1 + 4 * int(group), 4
    if len(rest) >= 2 and rest[0] == "scopeSpans":
        first, number = first + 2 * int(rest[1]), 2
        if len(rest) >= 4 and rest[2] == "spans":
            first, number = first + int(rest[3]), 1
    return {at.to_bytes(8, "big") for at in range(first, first + number)}


def replaced(node: Any, path: Path, value: Any) -> Any:
    """A document with another value at a place."""
    if not path:
        return value
    copy = node.copy()
    copy[path[0]] = replaced(node[path[0]], path[1:], value)
    return copy


@given(path=st.sampled_from(PLACES), value=ANYTHING)
@draws(400)
def test_of_json_all_others_are_read_as_ever(path: Path, value: object) -> None:
    body = json.dumps(replaced(DOCUMENT, path, value)).encode()
    batch = decode_traces_json(body, keys())
    found = by_id(batch)
    others = WHOLE.keys() - within(path)
    assert {at: found.get(at) for at in others} == {at: WHOLE[at] for at in others}
    # Null is absent; what an object or a list lacks is not there to be malformed.
    if value is not None and not isinstance(value, list | dict):
        assert bool(batch.rejected) == (found.keys() != WHOLE.keys())


@given(
    at=st.integers(0, 7),
    cut=st.integers(0, 300),
    flips=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 255)), max_size=3),
)
@draws(300)
def test_of_protobuf_all_others_are_read_as_ever(
    at: int, cut: int, flips: list[tuple[int, int]]
) -> None:
    """The bytes within one span are damaged; its length, as it is written, is right."""
    groups = b""
    for group, resource_spans in enumerate(REQUEST.resource_spans):
        content = field(1, resource_spans.resource.SerializeToString())
        for scope, scope_spans in enumerate(resource_spans.scope_spans):
            records = field(1, scope_spans.scope.SerializeToString())
            for number, span in enumerate(scope_spans.spans):
                raw = bytearray(span.SerializeToString())
                if at == 4 * group + 2 * scope + number:
                    for place, bits in flips:
                        raw[place % len(raw)] ^= bits
                    del raw[len(raw) - cut % len(raw) :]
                records += field(2, bytes(raw))
            content += field(2, records)
        groups += field(1, content)
    batch = decode_traces(groups, keys())
    others = WHOLE.keys() - {(at + 1).to_bytes(8, "big")}
    found = {span.span_id: _whole(span) for span in batch.spans if span.span_id in others}
    assert found == {at: WHOLE[at] for at in others}
    assert len(batch.spans) + len(batch.rejected) == len(WHOLE)


def test_a_damaged_span_is_named() -> None:
    good = good_span().SerializeToString()
    body = field(1, field(2, field(2, good) + field(2, b"\x0a\x7f") + field(2, good)))
    batch = decode_traces(body, keys())
    assert len(batch.spans) == 2
    assert batch.rejected == [f"resourceSpans[0].scopeSpans[0].spans[1]: {MALFORMED}"]


def test_damaged_containers_are_rejected_alone() -> None:
    good = field(2, field(2, good_span().SerializeToString()))
    damaged = field(1, field(1, b"\x0a\x03\x0a\x01") + good)
    batch = decode_traces(damaged + field(1, b"\x12\x7f") + field(1, good), keys())
    assert len(batch.spans) == 1
    assert batch.rejected == [f"resourceSpans[{at}]: {MALFORMED}" for at in (0, 1)]


def test_spans_of_a_resource_whose_wanted_value_is_damaged_are_rejected() -> None:
    value = field(1, b"service.name") + field(2, b"\x2a\x02\x0a\x7f")
    good = field(2, field(2, good_span().SerializeToString()) * 2)
    damaged = field(1, field(1, field(1, value)) + good)
    batch = decode_traces(damaged + field(1, good), keys())
    assert len(batch.spans) == 2
    assert batch.rejected == [f"resourceSpans[0].resource: {MALFORMED}"] * 2


@pytest.mark.parametrize(
    "swarm",
    [
        lambda n: field(1, b"\0") * n,
        lambda n: field(1, field(2, b"\0") * n),
        lambda n: field(1, field(2, field(2, b"\0") * n)),
    ],
    ids=["groups", "scopes", "spans"],
)
def test_of_very_many_malformed_members_the_first_are_told(swarm: Any) -> None:
    """A text of its own for each of a million would take a hundred times the request."""
    batch = decode_traces(swarm(5_000), keys())
    assert len(batch.rejected) == 5_000
    assert len(set(batch.rejected)) == 101
