"""Stores that cannot be run here, answering as their vendors' packages describe it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.sources.standin import Answer, Query, said

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


class Braintrust:
    """Braintrust's SQL over the logs of a project."""

    ASKED = re.compile(
        r"SELECT (?P<columns>.+) FROM project_logs\('shop'\) WHERE created >= '(?P<since>[^']+)' "
        r"AND created < '(?P<until>[^']+)' ORDER BY _pagination_key LIMIT (?P<limit>\d+)"
        r"(?: OFFSET '(?P<after>[^']+)')?"
    )

    def __init__(self, time: int) -> None:
        self.rows = described("braintrust", f"t{time}")

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert (path, query, body["fmt"]) == ("/btql", {}, "json")
        asked = self.ASKED.fullmatch(body["query"])
        assert asked is not None
        columns = {name.rpartition(" AS ")[2] for name in asked["columns"].split(", ")}
        window = range(unix_ms(asked["since"]), unix_ms(asked["until"]))
        rows = [row for row in self.rows if unix_ms(row["created"]) in window]
        start = int(asked["after"] or 0)
        page = rows[start : start + int(asked["limit"])]
        # There is a cursor as long as there are rows: the last page is empty.
        after = {"cursor": str(start + len(page))} if page else {}
        told = [{name: row[name] for name in row if name in columns} for row in page]
        return said({"data": told, **after})


class Weave:
    """Weave's feedback, oldest first, and calls as a stream of rows."""

    def __init__(self, time: int) -> None:
        self.rows = described("weave", f"t{time}")

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert not query
        assert body["project_id"] == "shop/prod"
        if path == "/calls/stream_query":
            rows = [row for row in self.rows["calls"] if row["id"] in body["filter"]["call_ids"]]
            told = [{name: row[name] for name in body["columns"]} for row in rows]
            return 200, b"".join(json.dumps(row).encode() + b"\n" for row in told), {}
        assert path == "/feedback/query"
        since, until = body["query"]["$expr"]["$and"]
        window = range(self._bound(since), self._bound(until["$not"][0]))
        rows = [row for row in self.rows["feedback"] if unix_ms(row["created_at"]) in window]
        rows.sort(key=lambda row: unix_ms(row["created_at"]))
        page = rows[body["offset"] : body["offset"] + body["limit"]]
        told = [{name: row[name] for name in body["fields"]} for row in page]
        return said({"result": told, "total_count": len(rows)})

    @staticmethod
    def _bound(told: Any) -> int:
        field, literal = told["$gte"]
        assert field == {"$getField": "created_at"}
        return unix_ms(literal["$literal"])


class Datadog:
    """Datadog's spans of an application, oldest first."""

    def __init__(self, time: int) -> None:
        self.rows = described("datadog", f"t{time}")

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert (path, body) == ("/api/v2/llm-obs/v1/spans/events", None)
        asked = {name: values[0] for name, values in query.items()}
        assert (asked["filter[ml_app]"], asked["sort"]) == ("shop", "timestamp")
        window = range(unix_ms(asked["filter[from]"]), unix_ms(asked["filter[to]"]))
        starts = (row["attributes"]["start_ns"] // 1_000_000 for row in self.rows)
        rows = [row for row, at in zip(self.rows, starts, strict=True) if at in window]
        start = int(asked.get("page[cursor]", "0"))
        end = start + int(asked["page[limit]"])
        after = {"after": str(end)} if end < len(rows) else None
        return said({"data": rows[start:end], "meta": {"status": "done", "page": after}})


class Arize:
    """Arize's spans of a project, newest first."""

    def __init__(self, time: int) -> None:
        self.rows = described("arize", f"t{time}")

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert path == "/v2/spans"
        assert (body["project_id"], body["truncate_string_length"]) == ("UHJvamVjdDox", 1)
        assert "limit" not in body
        window = range(unix_ms(body["start_time"]), unix_ms(body["end_time"]) + 1)
        rows = [row for row in self.rows if unix_ms(row["start_time"]) in window]
        start = int(query.get("cursor", ["0"])[0])
        end = start + int(query["limit"][0])
        has_more = end < len(rows)
        position = {"has_more": has_more, **({"next_cursor": str(end)} if has_more else {})}
        return said({"spans": rows[start:end], "pagination": position})
