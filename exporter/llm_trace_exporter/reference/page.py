"""Writing a generated page of the docs, or telling that it is stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def page_command(program: str, render: Callable[[], str], arguments: list[str] | None) -> int:
    """Run `program PATH [--check]`; return the exit code."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("path", type=Path, help="the page")
    parser.add_argument("--check", action="store_true", help="only say whether it is stale")
    options = parser.parse_args(arguments)
    page = render()
    if not options.check:
        options.path.write_text(page, encoding="utf-8")
        return 0
    if options.path.is_file() and options.path.read_text(encoding="utf-8") == page:
        return 0
    print(f"{options.path} is stale: write it again", file=sys.stderr)
    return 1
