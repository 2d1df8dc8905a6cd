"""What keeps a source from reading its store."""

from __future__ import annotations

from ..errors import ExporterError


class SourceError(ExporterError):
    """A store cannot be read now; its window is read again. The text holds no row of it."""


class Refused(SourceError):
    """It does not let us in: no use in asking again soon."""


class Busy(SourceError):
    """It asks to wait, or does not answer."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class TooLarge(SourceError):
    """An answer, or a request, is too large: ask for less at once."""
