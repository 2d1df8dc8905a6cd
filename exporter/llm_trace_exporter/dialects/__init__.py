"""Conventions of writing LLM data: raw attributes in, records out.

One module a dialect, tables first. To add a convention, write its module, name it in
`registry.DIALECTS` and put a capture with its truth into the tests' corpus.
"""

from __future__ import annotations

from .context import DEFAULT_DIMENSIONS, Context, Dimension, attribute_key, dimension
from .evaluations import Result, judged, to_records
from .kinds import KINDS_BY_NAME
from .parser import RecordParser
from .registry import DIALECTS, WANTED_PATTERN, wanted_keys
from .schema import AttributeKey, Dialect
from .score_values import NO_SCORE, Score, score_of
from .tenant_readers import ParserPool, labels_of, moved_to
from .unread import UnreadKind, unread_of
from .verdict_rules import LABELS, JudgeRules, Judging, label_key

__all__ = [
    "DEFAULT_DIMENSIONS",
    "DIALECTS",
    "KINDS_BY_NAME",
    "LABELS",
    "NO_SCORE",
    "WANTED_PATTERN",
    "AttributeKey",
    "Context",
    "Dialect",
    "Dimension",
    "JudgeRules",
    "Judging",
    "ParserPool",
    "RecordParser",
    "Result",
    "Score",
    "UnreadKind",
    "attribute_key",
    "dimension",
    "judged",
    "label_key",
    "labels_of",
    "moved_to",
    "score_of",
    "to_records",
    "unread_of",
    "wanted_keys",
]
