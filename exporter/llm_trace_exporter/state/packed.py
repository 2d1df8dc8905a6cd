"""Calls that results can name, as the state file holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..errors import ExporterError
from ..model import Subject

Row = tuple[bytes, bytes, Subject, int, int]
"""(trace id, span id, subject, start, end), times in Unix nanoseconds."""


class _Block(msgspec.Struct):
    dimensions: list[str]
    subjects: list[Subject]
    rows: list[tuple[bytes, bytes, int, int, int]]


def pack_subjects(rows: Sequence[Row], dimensions: Sequence[str]) -> bytes:
    """Rows as bytes; `dimensions` are the labels that their values belong to."""
    number: dict[Subject, int] = {}
    packed = [
        (trace, span, number.setdefault(subject, len(number)), start, end)
        for trace, span, subject, start, end in rows
    ]
    return msgspec.msgpack.encode(_Block(list(dimensions), list(number), packed))


def unpack_subjects(
    packed: bytes, moved: Callable[[list[str]], Callable[[tuple[str, ...]], tuple[str, ...]]]
) -> list[Row]:
    """The reverse of `pack_subjects`.

    Args:
        packed: What it gave.
        moved: From the labels then to what turns values of theirs into values of those now.

    Raises: ExporterError where the bytes are none of ours.
    """
    try:
        block = msgspec.msgpack.decode(packed, type=_Block)
        move = moved(block.dimensions)
        subjects: list[Any] = [
            msgspec.structs.replace(s, dimensions=move(s.dimensions)) for s in block.subjects
        ]
        return [
            (trace, span, subjects[at], start, end) for trace, span, at, start, end in block.rows
        ]
    except (msgspec.MsgspecError, IndexError) as error:
        raise ExporterError(f"kept subjects cannot be read: {type(error).__name__}") from error
