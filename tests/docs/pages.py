"""The pages and the fenced examples in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "examples" / "README.md"])

MARKS: dict[str, set[str]] = {
    "sh": {"env", "make", "run", "serve", "show"},
    "python": {"run", "show"},
    "yaml": {"collector", "config", "prometheus", "show", "values", "web"},
    "js": {"show"},
    "json": {"show"},
    "toml": {"show"},
    "text": {"", "output"},
    "promql": {""},
    "mermaid": {""},
}
"""Language of a fence -> what may be done with it; see CONTRIBUTING.md."""


@dataclass(frozen=True, slots=True)
class Example:
    """One fenced block."""

    page: Path
    line: int
    language: str
    mark: str
    text: str
    output: str = ""
    """What a `text output` fence after it says it prints."""

    @property
    def title(self) -> str:
        """Where it stands."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def examples() -> list[Example]:
    """Every fenced block of every page."""
    return [example for page in PAGES for example in examples_of(page)]


def examples_of(page: Path) -> list[Example]:
    """The fenced blocks of one page; an output belongs to the example before it."""
    found: list[Example] = []
    # What is within paragraphs takes half of the time, in each process that collects tests.
    for token in MarkdownIt().disable("inline").parse(page.read_text(encoding="utf-8")):
        if token.type != "fence" or token.map is None:
            continue
        language, _, mark = token.info.strip().partition(" ")
        example = Example(page, token.map[0] + 1, language, mark.strip(), token.content)
        if (language, mark) == ("text", "output"):
            ran = found.pop()
            example = Example(
                page, ran.line, ran.language, ran.mark, ran.text, output=token.content
            )
        found.append(example)
    return found


def marked(language: str, *marks: str) -> list[Example]:
    """The examples with one of these marks."""
    return [e for e in examples() if e.language == language and e.mark in marks]


@cache
def anchors(page: Path) -> set[str]:
    """What a link may point at within a page, as GitHub names headings."""
    found: set[str] = set()
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            words = re.sub(r"[^\w\- ]", "", token.content.lower())
            found.add(words.replace(" ", "-"))
    return found


@cache
def links(page: Path) -> list[str]:
    """Where the links of a page lead."""
    return [
        str(child.attrs["href"])
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8"))
        for child in token.children or ()
        if child.type == "link_open"
    ]
