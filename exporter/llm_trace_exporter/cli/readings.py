"""`llm-trace-exporter check --explain`: what is read of each span, and what nobody understands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..config import Settings, conventions_yaml
from ..engine.readings import Reading, Readings, Unread
from ..engine.suggestions import suggested
from ..engine.wiring import context

_MAX_ROWS = 10_000
_MAX_CHARS = 60
_MAX_NAMES = 30


def show_readings(settings: Settings, feed: Callable[[Readings], None], console: Console) -> None:
    """Print what is read of the records that `feed` hands in.

    Of what is not understood, names of attributes are printed and never their values.

    Raises: ExporterError, OSError from `feed`.
    """
    read: list[Reading] = []
    total = count(0)

    def keep(reading: Reading) -> None:
        if next(total) < _MAX_ROWS:
            read.append(reading)

    readings = Readings(context(settings), keep)
    feed(readings)
    if read:
        console.print(_table(read))
    if (more := next(total) - _MAX_ROWS) > 0:
        console.print(f"and {more:,} more")
    unread = readings.unread
    if not read and not unread:
        console.print("no span looks like an LLM's")
    for found in unread:
        console.print(Text("\n" + "\n".join(_lines(found))), soft_wrap=True)
    if unread:
        names = (convention.name for convention in settings.conventions)
        print("\nA convention to start from. kind.values says what the values of its keys mean:\n")
        print(conventions_yaml(suggested(unread, names)), end="")


def _table(readings: Iterable[Reading]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("convention", "kind", "provider", "model", "tokens", "scope", "span"):
        table.add_column(title, overflow="fold")
    for found in readings:
        tokens = ", ".join(f"{kind} {n:,}" for kind, n in found.tokens)
        cells = (found.dialect, found.kind, found.provider, found.model, tokens, found.scope,
                 found.name)  # fmt: skip
        # Names come from outside: no markup or control character in them is interpreted.
        table.add_row(*(Text(_shown(cell) or "-") for cell in cells))
    return table


def _lines(found: Unread) -> list[str]:
    spans = "1 span" if found.spans == 1 else f"{found.spans:,} spans"
    named = [*found.kinds, *(name for names in found.facts.values() for name in names)]
    lines = [
        f'not understood: {spans} of scope "{_shown(found.scope)}", such as "{_shown(found.name)}"',
        f"  attributes that look like facts: {_names(named)}",
    ]
    return [*lines, f"  other attributes: {_names(found.others)}"] if found.others else lines


def _names(names: list[str]) -> str:
    more = len(names) - _MAX_NAMES
    shown = ", ".join(map(_shown, names[:_MAX_NAMES]))
    return f"{shown}, and {more:,} more" if more > 0 else shown


def _shown(text: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in text[: _MAX_CHARS + 1])
    return clean if len(clean) <= _MAX_CHARS else f"{clean[:_MAX_CHARS]}..."
