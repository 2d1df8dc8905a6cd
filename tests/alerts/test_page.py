"""docs/alerts.md shows the alerts that there are."""

from __future__ import annotations

from tests.alerts.reference import PAGE, with_table


def test_page_shows_every_alert() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page
