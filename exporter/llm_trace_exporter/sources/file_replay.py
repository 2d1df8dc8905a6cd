"""Recorded OTLP requests, from files to the consumer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from ..consumer import RequestConsumer
from ..errors import DecodeError, ExporterError
from ..otlp.files import FileRequest, iter_requests

Progress = Callable[[Iterable[tuple[str, FileRequest]]], Iterator[tuple[str, FileRequest]]]
"""Yields the same, and shows how far it is."""


def replay(
    paths: Sequence[str],
    consumer: RequestConsumer,
    note: Callable[[str], None],
    *,
    is_ending: Callable[[], bool] = lambda: False,
    progress: Progress = iter,
) -> None:
    """Hand in the requests of files, one after the other.

    Args:
        paths: Files, folders, and `-` for standard input.
        consumer: Takes them.
        note: Told of what is passed over in folders.
        is_ending: Asked between requests whether to leave the rest.
        progress: Shows how far it is.

    Raises: ExporterError where a path holds no OTLP, or a file that was asked for is damaged;
        Overloaded from the consumer.
    """
    found = 0
    for path, request in progress(_requests(paths, note)):
        if is_ending():
            return
        try:
            consumer.ingest_request(request.signal, request.encoding, request.body, "file")
            found += 1
        except DecodeError as error:
            if not Path(path).is_dir():
                raise ExporterError(f"{request.name}: {error}") from error
            note(f"{request.name}: passed over: {error}")
    if not found:
        raise ExporterError(f"no OTLP requests in {', '.join(paths)}")


def _requests(
    paths: Sequence[str], note: Callable[[str], None]
) -> Iterator[tuple[str, FileRequest]]:
    """(path that was asked for, request in it)."""
    for path in paths:
        try:
            yield from ((path, request) for request in iter_requests(path, note))
        except DecodeError as error:
            raise ExporterError(f"{path}: {error}") from error
        except FileNotFoundError as error:
            raise ExporterError(f"{error.filename}: no such file or folder") from error
