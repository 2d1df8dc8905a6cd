"""What an operator can choose about texts of calls; see `settings`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContentRulesSettings:
    """By rule, the share of the calls that it looks at, 0-1; 0 is off."""

    refusal: float = 0.0
    empty_answer: float = 0.0
    json_format: float = 0.0
    language: float = 0.0
    secrets: float = 0.0
    personal_data: float = 0.0
    injection: float = 0.0
    document_injection: float = 0.0


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """How much text is held until calls settle."""

    max_characters: int = 32_768
    """Of one text."""
    max_records: int = 50_000
    """Spans and log records."""
    max_bytes: int = 64 * 1024 * 1024
