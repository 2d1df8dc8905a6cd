"""How much of a request is read, whatever its bytes say."""

from __future__ import annotations

MAX_PARTS = 1_000_000
"""Groups, records, events and attributes of one request."""
MAX_DEPTH = 32
"""Nesting of arrays and maps in one value; what lies deeper reads as None."""

MAX_MARKS = 4 * MAX_PARTS
"""Braces, brackets and commas of one JSON document, texts aside: an attribute is four."""
MAX_MARKS_OF_MEMBER = MAX_MARKS // 10
"""The same of one record, which is read at once: Python needs up to 230 bytes for an object."""
MARK_BYTES = 5
"""Bytes for each of them, at least: an attribute without a value is four in 23; in real requests
one comes on 15 bytes and more."""
FREE_MARKS = 20_000
"""So many are taken from the smallest document."""
MAX_REPAIRS = 100_000
"""Things that are no JSON and yet read, in one document."""
