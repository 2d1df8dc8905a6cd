"""Which attributes are decoded: texts only while somebody listens."""

from __future__ import annotations

import re

from ..dialects import WANTED_PATTERN, Context, wanted_keys
from ..otlp.attributes import KeyFilter
from ..otlp.native import EngineName
from .extract import MESSAGE_EVENTS, TEXT_KEYS, TEXT_PATTERN, is_text_key


def filters(
    context: Context, engine: EngineName = "python", *, with_texts: bool
) -> tuple[KeyFilter, KeyFilter]:
    """For spans, and for log records."""
    for_spans = span_filter(context, with_texts=with_texts, engine=engine)
    return for_spans, log_filter(context, with_texts=with_texts, engine=engine)


def span_filter(context: Context, *, with_texts: bool, engine: EngineName = "python") -> KeyFilter:
    """What the dialects and dimensions read on spans; texts stay on the wire until asked for."""
    return KeyFilter(wanted_keys(context), WANTED_PATTERN, keeps_wire=with_texts, engine=engine)


def text_filter() -> KeyFilter:
    """The texts on spans and their events, of which nothing is remembered."""
    return KeyFilter(TEXT_KEYS, TEXT_PATTERN, fleeting=is_text_key)


def log_filter(context: Context, *, with_texts: bool, engine: EngineName = "python") -> KeyFilter:
    """What the dialects and dimensions read, and with it the texts, which are not remembered."""
    wanted = wanted_keys(context)
    if not with_texts:
        return KeyFilter(wanted, WANTED_PATTERN, engine=engine)
    return KeyFilter(
        wanted | TEXT_KEYS,
        re.compile(f"{WANTED_PATTERN.pattern}|{TEXT_PATTERN.pattern}"),
        fleeting=is_text_key,
        bodies=MESSAGE_EVENTS,
        engine=engine,
    )
