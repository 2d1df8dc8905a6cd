"""Findings for people and for machines.

Names, errors and labels come from other programs, so control characters are shown as what they are
and nothing is taken for markup.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .checks import Check
from .facts import Facts
from .findings import LEVELS, Finding, Level, count

_STYLE: dict[Level, str] = {
    "ok": "green",
    "note": "cyan",
    "warning": "yellow",
    "problem": "bold red",
}
_SHOWN: dict[Level, int] = {"ok": 6, "note": 3, "warning": 6, "problem": 6}
"""Names of targets, rules and panels that are told; JSON has all."""

_LONGEST = 300
"""Characters of a finding that are told: Prometheus' errors list whole series."""

Said = Sequence[tuple[Check, Finding]]


def as_text(facts: Facts, said: Said, console: Console) -> None:
    """Print what was found, section by section, and a last line that sums up."""
    if console.is_terminal:
        console.print(_whole(facts, said))
        return
    with console.capture() as capture:
        console.print(_whole(facts, said))
    # rich fills cells up, which is noise in a file.
    for line in capture.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def _whole(facts: Facts, said: Said) -> Group:
    parts: list[RenderableType] = [Text(facts.url, style="bold")]
    for section, rows in groupby(said, lambda row: row[0].section):
        parts += ["", Text(section, style="bold"), _table(list(rows))]
    return Group(*parts, "", _sum(said))


def as_json(facts: Facts, said: Said) -> str:
    """The same as one JSON object."""
    levels = Counter(finding.level for _, finding in said)
    return json.dumps(
        {
            "url": facts.url,
            "product": facts.product,
            "version": facts.version,
            "summary": {level: levels[level] for level in LEVELS},
            "findings": [
                {
                    "section": check.section,
                    "check": check.name,
                    "level": finding.level,
                    "what": finding.what,
                    "why": finding.why,
                    "do": finding.do,
                    "where": list(finding.where),
                }
                for check, finding in said
            ],
        },
        indent=2,
        ensure_ascii=False,
    )


def _table(rows: Said) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=9)
    table.add_column(width=12)
    table.add_column(overflow="fold")
    for check, finding in rows:
        table.add_row(
            Padding(Text(finding.level, style=_STYLE[finding.level]), (0, 0, 0, 2)),
            Text(check.name, style="dim"),
            _cell(finding),
        )
    return table


def _cell(finding: Finding) -> Group:
    details = Table.grid(padding=(0, 1))
    details.add_column(width=5, style="dim")
    details.add_column(overflow="fold")
    parts = (("where", _names(finding)), ("why", finding.why), ("do", finding.do))
    for word, text in parts:
        if text:
            details.add_row(word, Text(_clean(text)))
    what = Text(_clean(finding.what[:_LONGEST] + " ..." * (len(finding.what) > _LONGEST)))
    return Group(what, details) if details.rows else Group(what)


def _names(finding: Finding) -> str:
    names, most = finding.where, _SHOWN[finding.level]
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _sum(said: Said) -> Text:
    levels = Counter(finding.level for _, finding in said)
    if not levels["problem"] and not levels["warning"]:
        return Text(f"All is well: {levels['ok']} passed, {count(levels['note'], 'note')}.")
    parts = [
        (count(levels[level], level), _STYLE[level])
        for level in ("problem", "warning", "note")
        if levels[level]
    ]
    text = Text()
    for number, part in enumerate(parts):
        text.append(", " if number else "").append(*part)
    return text.append(f"; {levels['ok']} passed.")


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
