"""Which exposition format a scraper gets for its Accept header.

Source: RFC 9110 section 12.5.1; Prometheus `scrape/scrape.go`, which asks with q-values, versions
and, since version 3, an `escaping` parameter. Every name here is valid in every escaping scheme,
so the scheme asked for is confirmed and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

MAX_ACCEPT = 4096
"""Characters of an Accept header that are looked at."""

_ESCAPINGS = frozenset(("allow-utf-8", "underscores", "dots", "values"))


class Format(Enum):
    """A text format."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a scraper gets."""

    format: Format
    content_type: str


PLAIN = Choice(Format.TEXT, "text/plain; version=0.0.4; charset=utf-8")
"""What everybody understands; also the answer to an Accept header that asks for neither."""


@dataclass(frozen=True, slots=True)
class _Range:
    media: str
    params: Mapping[str, str]
    quality: float


def choose(accept: str) -> Choice:
    """Choose the format with the highest q-value; the first of equals; never fails."""
    best, best_quality = PLAIN, 0.0
    for wanted in _ranges(accept[:MAX_ACCEPT]):
        choice = _offer(wanted)
        if choice is not None and wanted.quality > best_quality:
            best, best_quality = choice, wanted.quality
    return best


def _offer(wanted: _Range) -> Choice | None:
    version = wanted.params.get("version", "")
    if wanted.media == "application/openmetrics-text":
        if version in ("", "1.0.0"):
            return Choice(Format.OPENMETRICS, _content_type(wanted, "1.0.0"))
        return None
    if wanted.media == "text/plain":
        if version == "1.0.0":
            return Choice(Format.TEXT, _content_type(wanted, version))
        return PLAIN if version in ("", "0.0.4") else None
    return PLAIN if wanted.media in ("*/*", "text/*") else None


def _content_type(wanted: _Range, version: str) -> str:
    escaping = wanted.params.get("escaping", "")
    confirmed = f"; escaping={escaping}" if escaping in _ESCAPINGS else ""
    return f"{wanted.media}; version={version}; charset=utf-8{confirmed}"


def _ranges(accept: str) -> Iterator[_Range]:
    for part in accept.split(","):
        media, *pieces = part.split(";")
        params: dict[str, str] = {}
        for piece in pieces:
            name, _, value = piece.partition("=")
            params[name.strip().lower()] = value.strip().strip('"')
        yield _Range(media.strip().lower(), params, _quality(params.get("q", "1")))


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
