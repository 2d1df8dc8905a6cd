"""Content encodings of OTLP/HTTP, decompressed within a limit.

Source: OTLP 1.10 ("the server MUST limit the size of the request body when parsing it, including
after decompression"); RFC 9110 8.4.1 (gzip, deflate), RFC 8878 (zstd).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard

from ..errors import DecodeError

_MAX_MEMBERS = 1_024
_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15
_ZLIB_CHUNK = 65_536
# A zstd block of 4 bytes can stand for 128 KiB, and the decoder gives all of a chunk at once:
# with this size it overshoots the limit by 16 MiB at most.
_ZSTD_CHUNK = 512
_ZSTD_WINDOW = 8 * 1024 * 1024


class TooLarge(DecodeError):
    """A body that is, or would become, larger than the limit."""


class UnsupportedEncoding(DecodeError):
    """A Content-Encoding that is not one of ENCODINGS."""


class _Member(Protocol):
    """One gzip member, zlib stream or zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


def decompress(encoding: str, body: bytes, limit: int) -> bytes:
    """`body` without its Content-Encoding; an empty one is identity.

    Raises: UnsupportedEncoding; TooLarge beyond `limit` bytes; DecodeError where `body` is
        corrupt, truncated or followed by something else.
    """
    decoder = ENCODINGS.get(encoding.strip().lower())
    if decoder is None:
        raise UnsupportedEncoding("unsupported content encoding")
    try:
        return decoder(body, limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise DecodeError("the body does not decompress") from error


def _identity(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise TooLarge(_too_large(limit))
    return body


def _gzip(body: bytes, limit: int) -> bytes:
    return _inflate(body, limit, _GZIP_WBITS, _MAX_MEMBERS)


def _deflate(body: bytes, limit: int) -> bytes:
    # RFC 9110 means zlib streams by "deflate"; some clients send the raw stream.
    is_zlib = len(body) > 1 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return _inflate(body, limit, _ZLIB_WBITS if is_zlib else _RAW_WBITS, 1)


def _inflate(body: bytes, limit: int, wbits: int, max_members: int) -> bytes:
    chunks: list[bytes] = []
    left = limit + 1
    member = zlib.decompressobj(wbits)
    members = 1
    for at in range(0, len(body), _ZLIB_CHUNK):
        data = body[at : at + _ZLIB_CHUNK]
        while data:
            if member.eof:
                members = _next_member(members, max_members)
                member = zlib.decompressobj(wbits)
            chunks.append(member.decompress(data, left))
            left -= len(chunks[-1])
            if left <= 0:
                raise TooLarge(_too_large(limit))
            data = member.unconsumed_tail or member.unused_data
    _check_end(member)
    return b"".join(chunks)


def _zstd(body: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor(max_window_size=max(_ZSTD_WINDOW, limit))
    out = bytearray()
    frame = decompressor.decompressobj()
    frames = 1
    for at in range(0, len(body), _ZSTD_CHUNK):
        data = body[at : at + _ZSTD_CHUNK]
        while data:
            if frame.eof:
                frames = _next_member(frames, _MAX_MEMBERS)
                frame = decompressor.decompressobj()
            out += frame.decompress(data)
            if len(out) > limit:
                raise TooLarge(_too_large(limit))
            data = frame.unused_data
    _check_end(frame)
    return bytes(out)


def _next_member(count: int, maximum: int) -> int:
    if count >= maximum:
        raise DecodeError("the compressed body is followed by something else")
    return count + 1


def _check_end(member: _Member) -> None:
    if not member.eof:
        raise DecodeError("the compressed body is cut off")


def _too_large(limit: int) -> str:
    return f"the body is larger than {limit} bytes"


ENCODINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "": _identity,
    "identity": _identity,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zlib": _deflate,  # not registered; what the Collector writes for `compression: zlib`
    "zstd": _zstd,
}
"""Content-Encoding -> decoder(body, limit)."""
