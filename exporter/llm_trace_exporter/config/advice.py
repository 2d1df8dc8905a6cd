"""What a valid configuration most likely does not mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .settings import Settings

MEMORY = ":memory:"
"""The state path that keeps nothing."""


def advice(settings: Settings) -> Iterator[str]:
    """Yield what the operator should hear of, a line each, with the key in front.

    Files are looked for here, not read: a key may come later, as a secret that is mounted does.
    """
    judge, key = settings.judge, settings.judge.endpoint.api_key_file
    if judge.rules and not judge.endpoint.url:
        yield "judge: there are rules and no endpoint.url: nothing is judged"
    if key and not _is(Path(key).is_file):
        yield f"judge.endpoint.api_key_file: there is no file {key}: nothing is judged without it"
    if settings.budgets and settings.state.path == MEMORY:
        yield (
            "budgets: without state.path each restart begins them anew, "
            "and what was spent before is forgotten"
        )


def state_advice(settings: Settings) -> Iterator[str]:
    """Yield what is odd about the state file before anything opens it, which makes its folder."""
    folder = Path(settings.state.path).parent
    if settings.state.path != MEMORY and not _is(folder.is_dir):
        yield f"state.path: there is no folder {folder} here; serve makes it where it may"


def _is(found: Callable[[], bool]) -> bool:
    try:
        return found()
    except OSError:
        # Whoever may not enter a folder does not see what is in it.
        return False
