"""What the state file holds of each request: everything that was read from it, packed.

The entries since a checkpoint, applied again in order to what it holds, give the same counts: that
is how what was acknowledged survives a crash.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
import zstandard
from msgspec import Struct

from ..errors import ExporterError
from ..model import Feedback, ParsedRecord, Verdict
from ..pulled import Pull

_MAX_BYTES = 1 << 30
_LEVEL = 1


class Entry(Struct, frozen=True, array_like=True):
    """One request, or one moment at which waiting calls were settled."""

    now_s: float
    """Monotonic seconds of the process that wrote it."""
    source: str = ""
    """Which receiver took the request; empty for a moment of settling."""
    spans: tuple[ParsedRecord, ...] = ()
    logs: tuple[ParsedRecord, ...] = ()
    invalid: int = 0
    """Records that were rejected."""
    wall_ns: int = 0
    """When it came, Unix nanoseconds."""
    settles_all: bool = False
    """Everything that waited was settled then."""
    ends_traces: bool = False
    """Every trace was taken as complete then."""
    dimensions: tuple[str, ...] = ()
    """The labels that the records' dimension values belong to, in their order."""
    waits_s: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """Seconds for which calls waited then, results for their subject and dimensions for the root;
    and for which traces with and without a root were quiet."""
    waits_again: bool = False
    """All that waited began to do so anew then: a process has started."""
    run: int = 0
    """Which process wrote it, counted from the file's first."""
    results: tuple[Verdict | Feedback, ...] = ()
    """What judges within the exporter found."""
    pull: Pull | None = None
    """What a page of a store came to, with its scores in `logs`."""


class Codec:
    """Packs and unpacks entries; not for two threads at once."""

    def __init__(self) -> None:
        """Prepare the packers, which are used again and again."""
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Entry)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack(self, entry: Entry) -> bytes:
        """An entry as bytes."""
        return self._compressor.compress(self._encoder.encode(entry))

    def unpack(self, packed: bytes) -> Entry:
        """The reverse of `pack`.

        Raises: ExporterError where the bytes are no entry.
        """
        try:
            content = self._decompressor.decompress(packed, max_output_size=_MAX_BYTES)
            return self._decoder.decode(content)
        except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise ExporterError(f"not an entry of this journal: {type(error).__name__}") from error


class Journal(Protocol):
    """Where requests are written before they are acknowledged."""

    def append(self, entry: Entry) -> None:
        """Commit an entry.

        Raises: Overloaded when it cannot be written.
        """
