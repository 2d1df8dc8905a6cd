"""`python -m bench`: measure the exporter beside the baseline and print a table."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench import application, endtoend, engines, growth, inprocess, judged, restarts, scrapes, soak
from bench.effort import FULL, QUICK, Effort
from bench.table import Row, machine, records, render

PARTS: dict[str, Callable[[Effort, Path], list[Row]]] = {
    "inprocess": inprocess.measure,
    "engines": engines.measure,
    "application": application.measure,
    "growth": growth.measure,
    "judged": judged.measure,
    "endtoend": endtoend.measure,
    "scrapes": scrapes.measure,
    "restarts": restarts.measure,
}
ASKED_FOR: dict[str, Callable[[Effort, Path], list[Row]]] = {"soak": soak.measure}
"""Parts that take minutes: left out where nobody names them."""


def main() -> int:
    """Run; 0 even where a budget is missed, because the machine may be busy."""
    options = _parser().parse_args()
    effort = FULL if options.full else QUICK
    if options.rounds:
        effort = replace(effort, rounds=options.rounds)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in options.only or PARTS:
            Console(stderr=True).print(f"measuring: {name}")
            rows += {**PARTS, **ASKED_FOR}[name](effort, Path(folder))
    if options.json:
        found = {"machine": machine(), "rows": records(rows)}
        sys.stdout.write(f"{json.dumps(found, indent=2)}\n")
        return 0
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    console.print(render(rows, machine()))
    kept = [r.within_budget for r in rows if r.budget is not None]
    console.print(f"{sum(map(bool, kept))} of {len(kept)} budgets kept")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a minute or two (default)")
    size.add_argument("--full", action="store_true", help="more rounds, and a million samples")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds, of which the best counts")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*PARTS, *ASKED_FOR],
        metavar="PART",
        help=f"parts: {', '.join(PARTS)}; only where named: {', '.join(ASKED_FOR)}",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
