"""What was said in one call: held in memory while it is judged, never written anywhere.

This is the only record with text in it. It is neither journaled nor logged, and no label, metric or
error is made of it; what comes out of judging it is a `Verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CallContent:
    """The texts of one call as its span tells them; empty where it does not.

    Texts are left out of `repr`, so that a traceback or a log line cannot show them.
    """

    user: str = field(default="", repr=False)
    """The last user message."""
    answer: str = field(default="", repr=False)
    """The model's answer."""
    system: str = field(default="", repr=False)
    """System instructions."""
    documents: tuple[str, ...] = field(default=(), repr=False)
    """Retrieved documents the answer could rest on."""
    tool_results: tuple[str, ...] = field(default=(), repr=False)
    """What tools returned to the model."""
    asked_json: bool = False
    """Whether the request asked for JSON output."""
    schema: str = field(default="", repr=False)
    """JSON Schema that the answer was asked to follow, as JSON text; empty where none is told."""
    answer_cut: bool = False
    """Whether the answer is longer than what is held of it."""
