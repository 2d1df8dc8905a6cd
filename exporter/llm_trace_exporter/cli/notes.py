"""What a command says beside its output."""

from __future__ import annotations

import sys


def note(text: object) -> None:
    """Say something on standard error, under the name of the program."""
    print(f"llm-trace-exporter: {text}", file=sys.stderr, flush=True)
