"""JSON of strangers, read part by part: what it costs is bounded before it is read.

A document is cut into its members as text (`msgspec.Raw`), and each is read when its turn comes
and let go of before the next: what is held at one time is a small multiple of what was sent.

Bytes that are not UTF-8 and lone surrogates become U+FFFD; of equal keys the last wins; NaN and
infinities, which JSON has no numbers for, are read as infinities.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from msgspec import Raw

from ..errors import DecodeError
from .limits import FREE_MARKS, MARK_BYTES, MAX_MARKS, MAX_MARKS_OF_MEMBER, MAX_REPAIRS

_BOM = b"\xef\xbb\xbf"
_TEXT = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING = re.compile(_TEXT, re.DOTALL)
_SOME_STRINGS = re.compile(rb'(?:[^"]*+' + _TEXT + rb"){1,4096}", re.DOTALL)
_ESCAPE = rb"(?<!\\)((?:\\\\)*+)"
_LONE_SURROGATE = re.compile(
    _ESCAPE + rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|" + _ESCAPE + rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_NOT_FINITE = re.compile(rb"(?<=[\[:,\s])(-?)(?:NaN|Infinity)(?=[\s,\]}])")
_NO_NUMBER = rb"\g<1>1e999"

_read_any = msgspec.json.Decoder().decode
_read_members = msgspec.json.Decoder(dict[str, Raw]).decode
# Looks at the syntax of all of it and keeps nothing.
_look_over = msgspec.json.Decoder(Raw).decode
_read_items = msgspec.json.Decoder(list[Raw]).decode
_TYPES: dict[bytes, str] = {
    b"{": "an object", b"[": "an array", b'"': "a string", b"t": "a boolean", b"f": "a boolean",
    b"n": "null",
}  # fmt: skip


_NAMES: dict[type, str] = {
    type(None): "null", bool: "a boolean", str: "a string", list: "an array", dict: "an object",
}  # fmt: skip


class Malformed(DecodeError):
    """A member that is not what it should be; says where, what was found and what is allowed.

    Its text holds names and types only, never a value.
    """

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found, allowed)
        self.found = found
        self.allowed = allowed
        self.path = ""

    def within(self, name: str) -> Malformed:
        """The same error, seen from the member `name` around."""
        dot = "." if self.path and self.path[0] != "[" else ""
        self.path = f"{name}{dot}{self.path}"
        return self

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}found {self.found}, allowed: {self.allowed}"


def bounded(body: bytes) -> bytes:
    """A document that is not too much to be read, whatever it holds.

    Raises: DecodeError where it is.
    """
    body = body.removeprefix(_BOM)
    _bound(body, min(MAX_MARKS, FREE_MARKS + len(body) // MARK_BYTES))
    return body


def document(body: bytes) -> bytes:
    """A JSON document of bounded size, with what JavaScript and Python write beyond JSON put right.

    Raises: DecodeError where `body` is none.
    """
    body = bounded(body)
    try:
        try:
            _look_over(body)
        except ValueError:
            body = _LONE_SURROGATE.sub(rb"\g<1>\g<2>\\ufffd", body, MAX_REPAIRS)
            body = _NOT_FINITE.sub(_NO_NUMBER, body, MAX_REPAIRS)
            _look_over(body)
    except RecursionError as error:
        raise DecodeError("JSON is nested too deeply") from error
    except ValueError as error:
        raise DecodeError("not valid JSON") from error
    return body


def load(body: bytes) -> Any:
    """Any JSON document of bounded size and depth, read whole.

    Raises: DecodeError where `body` is not one.
    """
    return value_of(document(body))


def members_of(part: bytes | Raw) -> dict[str, Raw]:
    """The members of an object, unread.

    Raises: Malformed where `part` is no object.
    """
    try:
        members: dict[str, Raw] = _read_members(part)
    except UnicodeDecodeError:
        return members_of(_utf8(part))
    except ValueError:
        raise Malformed(type_of(part), "an object") from None
    return members


def items_of(part: bytes | Raw) -> list[Raw]:
    """The items of an array, unread.

    Raises: Malformed where `part` is no array.
    """
    try:
        items: list[Raw] = _read_items(part)
    except ValueError:
        raise Malformed(type_of(part), "an array") from None
    return items


def value_of(part: bytes | Raw) -> Any:
    """A whole member as plain values.

    Raises: Malformed where it is nested too deeply or holds too much.
    """
    _bound(part, MAX_MARKS_OF_MEMBER)
    try:
        return _read_any(part)
    except ValueError:
        pass
    except RecursionError:
        raise Malformed("JSON that is nested too deeply", "less depth") from None
    # Numbers beyond a double and bytes that are not UTF-8.
    try:
        return json.loads(bytes(memoryview(part)).decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Malformed("a number of too many digits", "fewer digits") from None


def type_of(part: bytes | Raw) -> str:
    """What a member is, in words."""
    return _TYPES.get(bytes(memoryview(part)[:20]).lstrip()[:1], "a number")


def type_name(value: object) -> str:
    """What a plain value is, in the words of `type_of`."""
    return _NAMES.get(type(value), "a number")


def _bound(part: bytes | Raw, limit: int) -> None:
    """Refuse what would take far more memory than it has bytes, before it is read."""
    size = len(memoryview(part))
    if size <= limit:
        return
    text = bytes(memoryview(part))
    if _marks(text) > limit and _marks_outside_texts(text) > limit:
        raise Malformed(f"more than {limit} values in {size} bytes of JSON", "fewer of them")


def _marks(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[") + text.count(b",")


def _marks_outside_texts(text: bytes) -> int:
    found = at = 0
    while (some := _SOME_STRINGS.match(text, at)) is not None:
        found += _marks(_STRING.sub(b"", some[0]))
        at = some.end()
    return found + _marks(text[at:])


def _utf8(part: bytes | Raw) -> bytes:
    return bytes(memoryview(part)).decode("utf-8", "replace").encode()
