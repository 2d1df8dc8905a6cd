"""Links between the pages lead somewhere."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import PAGES, ROOT, anchors, links
from tests.every import every


@every(PAGES, lambda page: page.relative_to(ROOT))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        where, _, anchor = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_readme_leads_to_every_page() -> None:
    readme = ROOT / "README.md"
    reached: set[Path] = set()
    pending = [readme]
    while pending:
        page = pending.pop()
        if page in reached:
            continue
        reached.add(page)
        where = (link.partition("#")[0] for link in links(page) if "://" not in link)
        pending += [target for w in where if (target := (page.parent / w).resolve()) in PAGES]
    assert reached == set(PAGES)
