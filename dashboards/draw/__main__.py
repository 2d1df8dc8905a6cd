"""Asks a Prometheus every query of every dashboard and draws one PNG a dashboard.

The pictures are made of real answers, by Grafana's own component library in a headless Chromium; no
Grafana server is involved, and each picture says so. Needs Node, npm and chromium:

    python -m dashboards.draw --prometheus http://localhost:9090 --end 2026-03-04T12:00:00Z
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from ..boards import BOARDS

HERE = Path(__file__).parent
WIDTH = 1600
STEPS = 240
SCRAPE_S = 120
"""What the data source would be told."""
NOTE = "drawn from query results over simulated traffic, with Grafana's components"
_SMALLER = (
    "require('sharp')('page.png').png({palette: true, colours: 256, effort: 10, dither: 0.5})"
    ".toFile(process.argv[1])"
)
"""Less colours than 256 make two lines of different colour the same."""
_PAGE = (
    '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="page.css">'
    '<style>html{{font-size:14px}}body{{margin:0}}</style><div id="root"></div>'
    '<div id="grafana-portal-container"></div>'
    "<script>window.DRAWN={data}</script><script src='page.js'></script>"
)


def main() -> None:
    """Draw into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--end", type=datetime.fromisoformat, default=datetime.now(UTC))
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--work", type=Path, default=Path("build/draw"), help="for npm and pages")
    parser.add_argument("--out", type=Path, default=Path("docs/dashboards"))
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    _bundle(told.work)
    for board in BOARDS:
        dashboard = board.to_json()
        end_s = int(told.end.timestamp())
        sys.stderr.write(f"drawing {board.title}\n")
        answers = {
            panel["id"]: _answers(told.prometheus, panel, end_s, board.hours)
            for panel in dashboard["panels"]
            if panel["type"] != "row"
        }
        data = {
            "dashboard": dashboard, "results": answers, "note": NOTE,
            "fromMs": (end_s - board.hours * 3600) * 1000, "toMs": end_s * 1000,
            "mode": told.theme,
        }  # fmt: skip
        page = told.work / f"{board.uid}.html"
        page.write_text(_PAGE.format(data=json.dumps(data).replace("</", "<\\/")))
        _photograph(page, told.out / f"{board.uid}.png", _height(dashboard))


def _bundle(work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "page.jsx"):
        shutil.copy(HERE / name, work)
    if not (work / "node_modules").is_dir():
        _run(["npm", "install", "--legacy-peer-deps", "--no-audit", "--no-fund"], work)
    loaders = [f"--loader:.{kind}=dataurl" for kind in ("ttf", "woff", "woff2", "svg", "png")]
    define = '--define:process.env.NODE_ENV="production"'
    _run(
        ["node_modules/.bin/esbuild", "page.jsx", "--bundle", "--outfile=page.js", "--minify",
         define, "--log-level=error", *loaders], work,
    )  # fmt: skip


def _answers(base: str, panel: dict[str, Any], end_s: int, hours: int) -> dict[str, Any]:
    points = panel.get("maxDataPoints", STEPS)
    least_s = 60 * int(panel["targets"][0]["interval"].removesuffix("m"))
    step_s = max(least_s, math.ceil(hours * 3600 / points / 60) * 60)
    answers = []
    for target in panel["targets"]:
        asked = {"query": _substituted(target["expr"], step_s, hours)}
        if target["instant"]:
            asked["time"] = str(end_s)
        else:
            asked |= {"start": str(end_s - hours * 3600), "end": str(end_s), "step": str(step_s)}
        path = "query" if target["instant"] else "query_range"
        answer = requests.get(f"{base}/api/v1/{path}", params=asked, timeout=60).json()
        if answer["status"] != "success":
            raise SystemExit(f"{panel['title']}: {answer['error']}")
        answers.append(answer["data"]["result"])
    return {"answers": answers, "stepMs": step_s * 1000}


def _substituted(expr: str, step_s: int, hours: int) -> str:
    window_s = max(step_s + SCRAPE_S, 4 * SCRAPE_S)
    known = {"__rate_interval": f"{window_s}s", "__range": f"{hours}h"}
    return re.sub(r"\$\{?(\w+)\}?", lambda found: known.get(found[1], ".*"), expr)


def _height(dashboard: dict[str, Any]) -> int:
    open_ = [panel["gridPos"] for panel in dashboard["panels"] if not panel.get("collapsed")]
    bottom: int = max(at["y"] + at["h"] for at in open_)
    return 86 + 38 * bottom


def _photograph(page: Path, picture: Path, height: int) -> None:
    _run(
        ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu",
         f"--window-size={WIDTH},{height}", "--screenshot=page.png",
         "--virtual-time-budget=8000", page.resolve().as_uri()], page.parent,
    )  # fmt: skip
    _run(["node", "-e", _SMALLER, str(picture.resolve())], page.parent)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr}")


if __name__ == "__main__":
    main()
