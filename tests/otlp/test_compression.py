"""Content encodings: right, wrong, endless."""

from __future__ import annotations

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_trace_exporter.errors import DecodeError
from llm_trace_exporter.otlp.compression import TooLarge, UnsupportedEncoding, decompress

TEXT = b"the quick brown fox " * 500


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd_stream(data: bytes) -> bytes:
    """A frame without its content size, as streaming clients send it."""
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    " GZIP ": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "zlib": zlib.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
}
ONE_PER_FORMAT = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("zstd", zstandard.compress),
    ("zstd", zstd_stream),
]


@pytest.mark.parametrize("encoding", PACKED)
def test_every_encoding_is_undone(encoding: str) -> None:
    assert decompress(encoding, PACKED[encoding], len(TEXT)) == TEXT


@pytest.mark.parametrize(("encoding", "pack"), ONE_PER_FORMAT)
@pytest.mark.parametrize("size", [0, 1, 70_000, 300_000])
def test_limit_is_met_to_the_byte(encoding: str, pack: object, size: int) -> None:
    assert callable(pack)
    body = pack(b"x" * size)
    assert decompress(encoding, body, size) == b"x" * size
    if size:
        with pytest.raises(TooLarge):
            decompress(encoding, body, size - 1)


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_identity(encoding: str) -> None:
    assert decompress(encoding, b"abc", 3) == b"abc"
    with pytest.raises(TooLarge):
        decompress(encoding, b"abcd", 3)


@pytest.mark.parametrize("encoding", ["br", "gzip, zstd", "compress", "gzip,gzip"])
def test_unknown_encodings_are_named_as_such(encoding: str) -> None:
    with pytest.raises(UnsupportedEncoding):
        decompress(encoding, b"", 10)


@pytest.mark.parametrize(("encoding", "pack"), ONE_PER_FORMAT)
def test_cut_off_bodies_are_refused(encoding: str, pack: object) -> None:
    assert callable(pack)
    body = pack(TEXT)
    for end in (0, 1, len(body) // 2, len(body) - 1):
        with pytest.raises(DecodeError):
            decompress(encoding, body[:end], len(TEXT))


@pytest.mark.parametrize(("encoding", "pack"), ONE_PER_FORMAT)
def test_trailing_garbage_is_refused(encoding: str, pack: object) -> None:
    assert callable(pack)
    with pytest.raises(DecodeError):
        decompress(encoding, pack(TEXT) + b"garbage", len(TEXT) + 100)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd_stream)])
def test_several_members_are_joined(encoding: str, pack: object) -> None:
    assert callable(pack)
    body = pack(b"a" * 10) + pack(b"") + pack(b"b" * 200_000)
    assert decompress(encoding, body, 300_000) == b"a" * 10 + b"b" * 200_000
    with pytest.raises(TooLarge):
        decompress(encoding, body, 200_009)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstd_stream)])
def test_swarm_of_empty_members_is_refused(encoding: str, pack: object) -> None:
    assert callable(pack)
    with pytest.raises(DecodeError):
        decompress(encoding, pack(b"") * 100_000, 10_000_000)


@pytest.mark.parametrize(("encoding", "pack"), ONE_PER_FORMAT)
def test_bomb_stops_at_the_limit(encoding: str, pack: object) -> None:
    assert callable(pack)
    with pytest.raises(TooLarge):
        decompress(encoding, pack(bytes(200_000_000)), 1_000_000)


def test_zstd_window_beyond_the_limit_is_refused() -> None:
    # A frame header that asks for a window of 1 GiB, and one empty last block.
    header = b"\x28\xb5\x2f\xfd" + bytes([0x00, 0xA0]) + b"\x01\x00\x00"
    with pytest.raises(DecodeError):
        decompress("zstd", header, 1_000_000)


@given(body=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate", "zstd"]))
@settings(deadline=None)
def test_random_bytes_raise_nothing_but_decode_errors(body: bytes, encoding: str) -> None:
    for prefix in (b"", b"\x1f\x8b\x08", b"\x78\x9c", b"\x28\xb5\x2f\xfd"):
        try:
            assert len(decompress(encoding, prefix + body, 1_000)) <= 1_000
        except DecodeError:
            continue
