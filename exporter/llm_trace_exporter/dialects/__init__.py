"""Conventions of writing LLM data: raw attributes in, records out.

One module a dialect, tables first. To add a convention, write its module, name it in
`registry.DIALECTS` and put a capture with its truth into the tests' corpus.
"""

from __future__ import annotations

from .context import DEFAULT_DIMENSIONS, Context, Dimension, dimension
from .exchange import (
    MESSAGE_EVENTS,
    TEXT_KEYS,
    TEXT_PATTERN,
    Taker,
    Texts,
    exchange_of,
    is_text_key,
    texts_from,
)
from .judging import LABELS, JudgeRules, Judging, label_key
from .read import Reader
from .readers import Readers, labels_of, moved_to
from .registry import DIALECTS, INDEXED_KEYS, wanted_keys
from .scores import NO_SCORE, Score, score_of
from .verdicts import Result, judged, to_records

__all__ = [
    "DEFAULT_DIMENSIONS",
    "DIALECTS",
    "INDEXED_KEYS",
    "LABELS",
    "MESSAGE_EVENTS",
    "NO_SCORE",
    "TEXT_KEYS",
    "TEXT_PATTERN",
    "Context",
    "Dimension",
    "JudgeRules",
    "Judging",
    "Reader",
    "Readers",
    "Result",
    "Score",
    "Taker",
    "Texts",
    "dimension",
    "exchange_of",
    "is_text_key",
    "judged",
    "label_key",
    "labels_of",
    "moved_to",
    "score_of",
    "texts_from",
    "to_records",
    "wanted_keys",
]
