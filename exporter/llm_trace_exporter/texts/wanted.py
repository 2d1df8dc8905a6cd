"""Which attributes are decoded: texts only while somebody listens."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..dialects import (
    INDEXED_KEYS,
    MESSAGE_EVENTS,
    TEXT_KEYS,
    TEXT_PATTERN,
    Dimension,
    is_text_key,
    wanted_keys,
)
from ..otlp.attributes import KeyFilter


def key_filter(dimensions: Iterable[Dimension], *, with_texts: bool) -> KeyFilter:
    """What the dialects and dimensions read, and with it the texts, which are not remembered."""
    wanted = wanted_keys(dimensions)
    if not with_texts:
        return KeyFilter(wanted, INDEXED_KEYS)
    return KeyFilter(
        wanted | TEXT_KEYS,
        re.compile(f"{INDEXED_KEYS.pattern}|{TEXT_PATTERN.pattern}"),
        fleeting=is_text_key,
        bodies=MESSAGE_EVENTS,
    )
