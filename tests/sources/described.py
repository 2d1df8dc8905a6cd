"""Stores that cannot be run here, answering as their vendors' packages describe it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.sources.standin import Answer, Query

DESCRIBED = Path(__file__).parent / "described"


def described(system: str, name: str) -> Any:
    return json.loads((DESCRIBED / system / f"{name}.json").read_text())


def unix_ms(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp() * 1000)


class Opik:
    """Opik's searches: a stream of rows, newest id first."""

    SEARCHES: Mapping[str, tuple[str, str]] = {
        "/api/v1/private/traces/search": ("traces", "last_retrieved_id"),
        "/api/v1/private/spans/search": ("spans", "last_retrieved_id"),
        "/api/v1/private/traces/threads/search": ("threads", "last_retrieved_thread_model_id"),
    }

    def __init__(self, time: int) -> None:
        self.rows = described("opik", f"t{time}")

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        what, after = self.SEARCHES[path]
        assert not query
        assert body["project_name"] == "shop"
        key = "thread_model_id" if what == "threads" else "id"
        ms = [UUID(row[key]).int >> 80 for row in self.rows[what]]
        window = range(unix_ms(body["from_time"]), unix_ms(body["to_time"]))
        rows = [row for row, at in zip(self.rows[what], ms, strict=True) if at in window]
        rows = [row for row in rows if row[key] < body.get(after, "g")]
        kept = [
            {name: value for name, value in row.items() if name not in body.get("exclude", ())}
            for row in rows[: body["limit"]]
        ]
        return 200, b"".join(json.dumps(row).encode() + b"\n" for row in kept), {}
