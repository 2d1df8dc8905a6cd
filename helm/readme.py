"""The chart's README: its template with the table of values in it."""

from __future__ import annotations

import json

from .values import CHART, described, values_file

_PLACE = "<!-- values -->\n"


def default_text() -> str:
    """The README as it is in the chart."""
    template = (CHART / "README.md.tmpl").read_text(encoding="utf-8")
    return template.replace(_PLACE, table(values_file()))


def table(text: str) -> str:
    """A line for each described value."""
    lines = ["| value | default | |", "|---|---|---|"]
    for value in described(text):
        default = json.dumps(value.default, ensure_ascii=False).replace("|", "\\|")
        about = value.description.replace("|", "\\|")
        lines.append(f"| `{value.name}` | `{default}` | {about} |")
    return "\n".join(lines) + "\n"
