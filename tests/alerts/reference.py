"""Writes docs/alerts.md's table from the rule files: `python -m tests.alerts.reference`."""

from __future__ import annotations

import sys

from tests.alerts.rules import ROOT, alerts

PAGE = ROOT / "docs" / "alerts.md"
BEGIN = "<!-- alerts: begin -->\n"
END = "<!-- alerts: end -->\n"


def table() -> str:
    """Every alert with its severities, group and summary, as Markdown."""
    rows: dict[str, tuple[str, list[str], list[str]]] = {}
    for rule in alerts():
        group, severities, summaries = rows.setdefault(rule.name, (rule.file, [], []))
        severities.append(rule.severity)
        summaries.append(rule.annotations["summary"])
    lines = ["| alert | group | severity | what it says |", "|---|---|---|---|"]
    for name, (group, severities, summaries) in rows.items():
        link = f"[{name}](../alerts/runbooks/{name}.md)"
        said = " ".join(dict.fromkeys(summaries))
        lines.append(f"| {link} | {group} | {', '.join(severities)} | {said} |")
    return "\n".join(lines) + "\n"


def with_table(page: str) -> str:
    """The page with the table as it has to be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
