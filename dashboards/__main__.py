"""Writes the JSON of every dashboard, and removes that of dashboards that are no more."""

from __future__ import annotations

from pathlib import Path

from .boards import BOARDS

FOLDER = Path(__file__).with_name("json")


def main() -> None:
    """Write `json/*.json`."""
    FOLDER.mkdir(exist_ok=True)
    wanted = {FOLDER / f"{board.uid}.json": board.written() for board in BOARDS}
    for path in set(FOLDER.glob("*.json")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
