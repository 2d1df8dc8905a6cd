"""What is known of each operation, in one table: whether it is worded, and what it is paid by."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Operation(NamedTuple):
    """One kind of request to a model."""

    names: str
    """How it is written, separated by blanks; the first is the name that the dialects give."""
    is_worded: bool
    """Whether there is a question and an answer in words, which a judge could read."""
    priced_per: Literal["token", "request"]
    """What its price counts. Calls that are priced by request have no token usage by nature."""


OPERATIONS: tuple[Operation, ...] = (
    Operation("chat", True, "token"),
    Operation("text_completion", True, "token"),
    Operation("generate_content", True, "token"),
    Operation("embeddings", False, "token"),
    Operation("rerank", False, "request"),
    Operation("moderation", False, "request"),
    Operation("image image_generation image_edit image_variation generate_image", False, "request"),
    Operation(
        "audio speech text_to_speech transcription transcribe speech_to_text translation",
        False,
        "request",
    ),
    Operation("video generate_video video_generation", False, "request"),
    Operation("ocr", False, "request"),
    Operation("search", False, "request"),
)
"""An operation that is not listed is taken for one in words that is priced by token."""

WORDLESS: frozenset[str] = frozenset(
    name for operation in OPERATIONS if not operation.is_worded for name in operation.names.split()
)
"""Operations without a question and an answer in words."""

PRICED_PER_REQUEST: frozenset[str] = frozenset(
    name
    for operation in OPERATIONS
    if operation.priced_per == "request"
    for name in operation.names.split()
)
"""Operations that have no token usage by nature."""
