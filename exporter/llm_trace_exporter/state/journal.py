"""What the state file holds of each request: everything that was read from it, packed.

The entries of a journal, applied again in order to an empty pipeline, give the same counts: that
is how what was acknowledged survives a crash, and how a request that is sent again after it is
still known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import zstandard

from ..errors import ExporterError
from ..model import Feedback, LlmCall, Reading, Record, Root, Step, Verdict

_MAX_BYTES = 1 << 30
_LEVEL = 1
_READING_FIELDS = frozenset(Reading.__struct_fields__)

# A field that is always written, and by no other kind of record.
_KINDS: tuple[tuple[str, type[Record]], ...] = (
    ("operation", LlmCall),
    ("name", Step),
    ("judge", Verdict),
    ("rating", Feedback),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, or one moment at which waiting calls were settled."""

    now_s: float
    """The pipeline's clock."""
    source: str = ""
    """Which receiver took the request; empty for a moment of settling."""
    spans: tuple[Reading, ...] = ()
    logs: tuple[Reading, ...] = ()
    invalid: int = 0
    """Records that were rejected."""
    wall_ns: int = 0
    """When it came, Unix nanoseconds."""
    settles_all: bool = False
    """Everything that waited was settled then."""
    ends_traces: bool = False
    """Every trace was taken as complete then."""


class Codec:
    """Packs and unpacks entries; not for two threads at once."""

    def __init__(self) -> None:
        """Prepare the packers, which are used again and again."""
        self._encoder = msgspec.msgpack.Encoder()
        # The database checks its pages' structure, not what a damaged disk made of their content.
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack(self, entry: Entry) -> bytes:
        """An entry as bytes."""
        return self._compressor.compress(self._encoder.encode(entry))

    def unpack(self, packed: bytes) -> Entry:
        """The reverse of `pack`.

        Raises: ExporterError where the bytes are no entry.
        """
        try:
            raw = msgspec.msgpack.decode(self._content(packed))
            return Entry(
                now_s=float(raw["now_s"]),
                source=str(raw["source"]),
                spans=tuple(map(_reading, raw["spans"])),
                logs=tuple(map(_reading, raw["logs"])),
                invalid=int(raw["invalid"]),
                wall_ns=int(raw["wall_ns"]),
                settles_all=bool(raw["settles_all"]),
                ends_traces=bool(raw.get("ends_traces")),
            )
        except (
            zstandard.ZstdError,
            msgspec.MsgspecError,
            AttributeError,
            KeyError,
            OverflowError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise ExporterError(f"not an entry of this journal: {type(error).__name__}") from error

    def is_whole(self, packed: bytes) -> bool:
        """Whether the bytes are what `pack` once gave."""
        try:
            self._content(packed)
        except zstandard.ZstdError:
            return False
        return True

    def _content(self, packed: bytes) -> bytes:
        return self._decompressor.decompress(packed, max_output_size=_MAX_BYTES)


def _reading(raw: dict[str, Any]) -> Reading:
    values = {name: value for name, value in raw.items() if name in _READING_FIELDS}
    values["records"] = tuple(map(_record, raw.get("records", ())))
    if (root := raw.get("root")) is not None:
        values["root"] = msgspec.convert(root, Root)
    return Reading(**values)


def _record(raw: dict[str, Any]) -> Record:
    for field, kind in _KINDS:
        if field in raw:
            return msgspec.convert(raw, kind)
    raise ValueError("a record of no known kind")
