"""Finding OTLP requests in files, folders and streams."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp.files import FileRequest, iter_requests, requests_of
from tests.otlp import payloads

JSON_LINES = b"\n".join(
    json.dumps({key: []}).encode() for key in ("resourceSpans", "resourceLogs", "resourceMetrics")
)


def no_note(text: str) -> None:
    pytest.fail(text)


def read(path: Path) -> list[FileRequest]:
    return list(iter_requests(path, no_note))


def stream_of(*bodies: bytes) -> bytes:
    """Bodies, each after its length as a varint."""
    out = b""
    for body in bodies:
        length = len(body)
        while length > 0x7F:
            out += bytes([length & 0x7F | 0x80])
            length >>= 7
        out += bytes([length]) + body
    return out


@pytest.mark.parametrize("signal", payloads.BODIES)
@pytest.mark.parametrize("name", ["001.{}.pb", "anything.bin"])
def test_protobuf_request_is_found_by_name_or_content(signal: str, name: str) -> None:
    body = payloads.BODIES[signal]
    (request,) = requests_of(body, name.format(signal))
    assert (request.signal, request.encoding, request.body) == (signal, "protobuf", body)


def test_length_delimited_stream_is_split() -> None:
    bodies = [payloads.traces(1, "x" * 300), payloads.logs(), payloads.metrics(), b""]
    found = list(requests_of(stream_of(*bodies), "dump.bin"))
    assert [request.body for request in found] == bodies
    assert [request.signal for request in found] == ["traces", "logs", "metrics", "traces"]
    assert found[1].name == "dump.bin#2"


@given(st.lists(st.sampled_from(list(payloads.BODIES)), min_size=2, max_size=6))
def test_any_mixed_stream_is_split(signals: list[str]) -> None:
    found = requests_of(stream_of(*(payloads.BODIES[signal] for signal in signals)), "dump.bin")
    assert [request.signal for request in found] == signals


def test_json_request() -> None:
    pretty = json.dumps(json.loads(payloads.TRACES_JSON), indent=2).encode()
    for body in (payloads.TRACES_JSON, pretty, b"\xef\xbb\xbf" + pretty):
        (request,) = requests_of(body, "x.json")
        assert (request.signal, request.encoding, request.body) == ("traces", "json", body)


def test_json_lines_mix_signals_as_the_collector_writes_them() -> None:
    found = list(requests_of(JSON_LINES + b"\n\n", "otel.jsonl"))
    assert [request.signal for request in found] == ["traces", "logs", "metrics"]
    assert [request.name for request in found] == [f"otel.jsonl:{n}" for n in (1, 2, 3)]


def test_bad_line_is_named() -> None:
    with pytest.raises(DecodeError, match="line 2"):
        list(requests_of(b'{"resourceSpans":[]}\n{"resourceSp', "otel.jsonl"))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_packed_files(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    file = tmp_path / "001.traces.pb.packed"
    file.write_bytes(pack(payloads.traces()))
    assert [request.signal for request in read(file)] == ["traces"]


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"{}x",
        b'{"a":1}',
        b"[1]",
        b"\x0a\xff",
        b"\xff" * 20,
        gzip.compress(b"hi", mtime=0),
    ],
)
def test_what_is_not_otlp_is_refused(content: bytes) -> None:
    with pytest.raises(DecodeError):
        list(requests_of(content, "x"))


def test_empty_file_is_an_empty_request() -> None:
    assert [r.signal for r in requests_of(b"", "001.logs.pb")] == ["logs"]
    assert list(requests_of(b"{}", "x.json")) == []


def test_folder_is_read_in_order_and_recursively(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "001.logs.pb").write_bytes(payloads.logs())
    (tmp_path / "a.traces.pb").write_bytes(payloads.traces())
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(JSON_LINES))
    for name in ("index.jsonl", "truth.json", "expected.json", "README.md", ".hidden.json"):
        (tmp_path / name).write_text("{}x")
    (tmp_path / "z.json").write_text('{"not": "otlp"}')
    notes: list[str] = []
    found = list(iter_requests(tmp_path, notes.append))
    assert [request.signal for request in found] == ["traces", "logs", "traces", "logs", "metrics"]
    assert len(notes) == 1
    assert "z.json: passed over" in notes[0]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(payloads.logs())))
    (request,) = iter_requests("-", no_note)
    assert (request.signal, request.name) == ("logs", "-")


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        read(tmp_path / "nowhere")


@given(content=st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_decode_errors(content: bytes) -> None:
    for prefix in (b"", b"{", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"):
        try:
            list(requests_of(prefix + content, "x"))
        except DecodeError:
            continue
