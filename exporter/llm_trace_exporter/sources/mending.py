"""Bytes that are almost JSON: what one value spoils is mended, so that the others are read."""

from __future__ import annotations

import re

_DEEPEST = 100
"""Levels; what is below is read by nobody, and parsers end at some hundreds."""
# Without backtracking: what could be tried again is remembered, a hundred bytes for each.
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BARE = re.compile(_TEXT + rb"|-?\b(?:NaN|Infinity)\b", re.DOTALL)
_LEVELS = re.compile(_TEXT + rb"|[\[{]|[\]}]", re.DOTALL)
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rb"%b%b|%b|%b|\\." % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)
_ESCAPE = 6


def mended(body: bytes) -> bytes:
    """JSON without bare NaN and infinities, lone surrogates, and what is nested too deep.

    The first become texts (scores that are none), the second U+FFFD, the last null.
    """
    return without_nan(_without_depth(body))


def without_nan(body: bytes) -> bytes:
    """JSON whose bare NaN and infinities are texts, and whose surrogates have their halves."""

    def said(found: re.Match[bytes]) -> bytes:
        text = found[0]
        if not text.startswith(b'"'):
            return b'"NaN"'
        return _ESCAPES.sub(_whole, text) if b"\\u" in text else text

    return _BARE.sub(said, body)


def _whole(found: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if len(found[0]) == _ESCAPE else found[0]


def _without_depth(body: bytes) -> bytes:
    parts: list[bytes] = []
    depth = kept = 0
    for found in _LEVELS.finditer(body):
        if found[0] in b"[{":
            depth += 1
            if depth == _DEEPEST:
                parts += body[kept : found.start()], b"null"
                kept = len(body)
        elif found[0] in b"]}":
            if depth == _DEEPEST:
                kept = found.end()
            depth -= 1
    return b"".join((*parts, body[kept:]))
