"""Attribute values as they come and as they are meant: one set of coercions for every dialect.

Emitters write the same number as int, double, numeric string or JSON-quoted string, the same
object as JSON or as a Python repr, the same flag as bool or text.
"""

from __future__ import annotations

import ast
import json
import math
import re
from datetime import datetime
from functools import lru_cache

from ..errors import RejectedRecord, UnreadableNumber
from ..otlp.records import Value

MAX_OBJECT_CHARS = 65_536
"""Longest text that is parsed as an object."""

MAX_LITERAL_CHARS = 8_192
"""The same where it is no JSON: parsing Python takes a hundred times as long."""

MAX_TOKENS = 1_000_000_000
"""More tokens than any call can have: what is above is not believed."""

MAX_USD = 1_000_000.0
MAX_SECONDS = 366 * 86_400.0

_TEXT_CHARS = 256
REMEMBERED_CHARS = 64
"""Longer texts are worked out anew each time."""

_ABSENT = {"", "none", "null", "undefined"}
_ABSENT_CHARS = max(map(len, _ABSENT))
_ID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|[0-9a-f]{16,}", re.IGNORECASE)
_UUID = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE
)
_UUID_CHARS = 32


def text(value: Value) -> str:
    """A short text without quotes that JSON encoding left around it; empty when there is none."""
    if isinstance(value, str):
        return short_text(value) if len(value) <= REMEMBERED_CHARS else _plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > _TEXT_CHARS:
        return ""  # Python refuses to write a number of thousands of digits.
    return str(value) if isinstance(value, int | float) else ""


def _plain(written: str) -> str:
    found = written.strip()
    if found[:1] == '"' == found[-1:] and len(found) > 1:
        found = _unquoted(found).strip()
    if len(found) <= _ABSENT_CHARS and found.lower() in _ABSENT:
        return ""
    found = found[:_TEXT_CHARS]
    # JSON and Python literals can write half of a surrogate pair, which is no text at all.
    return found if found.isascii() else found.encode(errors="replace").decode()


short_text = lru_cache(maxsize=8_192)(_plain)
"""`text` of a string of at most REMEMBERED_CHARS."""


def texts(value: Value) -> tuple[str, ...]:
    """A list of texts: an array, a JSON array in a string, or one text alone."""
    if isinstance(value, dict):
        value = value.get("values")
    if isinstance(value, str) and value[:1] == "[":
        value = parse_object(value)
    if isinstance(value, list):
        return tuple(found for item in value[:64] if (found := text(item)))
    found = text(value)
    return (found,) if found else ()


def number(value: Value) -> float | None:
    """A finite number; None when there is none.

    Raises: UnreadableNumber for text that is no number and for NaN and infinities.
    """
    if value is None or isinstance(value, bool | bytes | list | dict):
        return None
    if isinstance(value, str):
        cleaned = text(value)
        if not cleaned:
            return None
        try:
            value = float(cleaned)
        except ValueError:
            raise UnreadableNumber("a number is written as text that is no number") from None
    try:
        found = float(value)
    except OverflowError:
        raise UnreadableNumber("a number is too large") from None
    if not math.isfinite(found):
        raise UnreadableNumber("a number is not finite")
    return found


def count(value: Value) -> int | None:
    """A token count.

    Raises: RejectedRecord when it is negative or larger than MAX_TOKENS, UnreadableNumber when it
        is no number.
    """
    if type(value) is int and 0 <= value <= MAX_TOKENS:
        return value
    found = number(value)
    if found is None:
        return None
    if found < 0:
        raise RejectedRecord("a count is negative")
    if found > MAX_TOKENS:
        raise RejectedRecord("a count is absurdly large")
    return int(found)


def usd(value: Value) -> float | None:
    """Dollars.

    Raises: RejectedRecord when they are negative or more than MAX_USD, UnreadableNumber when they
        are no number.
    """
    found = number(value)
    if found is None:
        return None
    if not 0 <= found <= MAX_USD:
        raise RejectedRecord("a cost is negative or absurdly large")
    return found


def flag(value: Value) -> bool | None:
    """A yes or no, however it is spelled; None when it says neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
        text(value).lower()
    )


def parse_object(value: Value) -> Value:
    """What a text holds when it is JSON or a Python literal; None when it is neither."""
    if not isinstance(value, str):
        return value
    if len(value) > MAX_OBJECT_CHARS:
        return None
    try:
        parsed: Value = json.loads(value)
    except (ValueError, RecursionError):
        parsed = _literal(value)
    if isinstance(parsed, str) and parsed != value and parsed[:1] in "{[":
        return parse_object(parsed)
    return parsed


def inside(value: Value, path: tuple[str, ...]) -> Value:
    """The value at a path of keys in nested objects; None when the path ends early.

    In a list a key is a place: `("choices", "0")`.
    """
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def instant_ns(value: Value) -> int | None:
    """Unix nanoseconds of an ISO 8601 time, JSON-quoted or not; None when it is no time."""
    written = text(value)
    if not written:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return int(moment.timestamp() * 1e6) * 1000


def is_id(value: str) -> bool:
    """Whether a text is the id of one thing among endless many, which no label may hold."""
    return _ID.fullmatch(value) is not None


def is_made_up(identifier: str) -> bool:
    """Whether a response id is the emitter's invention and so links nothing.

    Gateways fill in a UUID of their own; some SDKs put the HTTP request's id there.
    """
    if identifier.startswith(("req_", "req-")):
        return True
    return len(identifier) >= _UUID_CHARS and _UUID.search(identifier) is not None


def _unquoted(quoted: str) -> str:
    try:
        inner = json.loads(quoted)
    except ValueError:
        return quoted[1:-1]
    return inner if isinstance(inner, str) else quoted


def _literal(source: str) -> Value:
    if source[:1] not in "{[(" or len(source) > MAX_LITERAL_CHARS:
        return None
    try:
        found: Value = ast.literal_eval(source)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None
