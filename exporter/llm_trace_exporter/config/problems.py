"""What is wrong with a configuration, and how it is told.

```
config.yml:12: otlp.max_request_bytes: found 32; allowed: a size such as 32MiB (did you mean ...?)
```
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and list indexes from the root."""

MAX_SHOWN = 60
"""Characters of a value that are told; of a longer one only its length."""

MAX_PROBLEMS = 100

Suggest = Callable[[], str]
"""Finds what was probably meant; empty when nothing is close. Called only for what is told."""

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(:?[-?+=].*)?\}|\$[A-Z_][A-Z0-9_]*\Z")
_SIMPLE_KEY = re.compile("[A-Za-z0-9_-]+")
_IN_URL = re.compile(r"(?<=://)[^/\s]+(?=@)|(?<=\?).+", re.DOTALL)
"""Where a URL has a password or a key."""


NO_VARIABLES = "environment variables are not read here"
"""What is allowed instead of their names."""


def no_suggestion() -> str:
    """Nothing is close."""
    return ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding."""

    line: int
    path: Path
    found: str
    allowed: str
    suggest: Suggest = no_suggestion

    def text(self, file: str) -> str:
        """The finding as one line."""
        where = f"{file}:{self.line}: " + (f"{show_path(self.path)}: " if self.path else "")
        meant = self.suggest()
        hint = f" (did you mean {display(meant)}?)" if 0 < len(meant) <= MAX_SHOWN else ""
        return f"{where}found {self.found}; allowed: {self.allowed}{hint}"


def show_path(path: Path) -> str:
    """`dimensions[1].keys[0]`; keys with other characters are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if _SIMPLE_KEY.fullmatch(part) else ""
            shown = shown if 0 < len(shown) <= MAX_SHOWN else display(part)
            text += f".{shown}" if text else shown
    return text


def display(text: str) -> str:
    """A text in quotes, on one line; its length only when it is long, and no secret of a URL."""
    if len(text) > MAX_SHOWN:
        return f"a text of {len(text)} characters"
    if "://" in text:
        text = _IN_URL.sub("***", text)
    return json.dumps(text, ensure_ascii=not text.isprintable())


def found(value: object) -> str:
    """What a value is, in words."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return display(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "a mapping" if value else "an empty mapping"


def names_variable(value: object) -> bool:
    """Whether a text most likely means the value of an environment variable."""
    return isinstance(value, str) and _VARIABLE.search(value) is not None


def closest(word: str, words: Iterable[str], cutoff: float = 0.7) -> str:
    """The word that was probably meant; empty when none is close."""
    known = {w.lower().replace("-", "_"): w for w in words}
    close = difflib.get_close_matches(word[:200].lower().replace("-", "_"), known, 1, cutoff)
    return known[close[0]] if close else ""


def one_of(words: Iterable[str], limit: int = 30) -> str:
    """The words that are allowed."""
    known = list(words)
    more = f", ... ({len(known)} in all)" if len(known) > limit else ""
    return ", ".join(known[:limit]) + more
