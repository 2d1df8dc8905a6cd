"""Stores as they were recorded, answering over HTTP: as of any of the times they were asked at."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

RECORDED = Path(__file__).parent / "recorded"
Query = Mapping[str, list[str]]
Answer = tuple[int, bytes, Mapping[str, str]]
"""(status, body, headers)."""


class Recorded(Protocol):
    """A store at a time."""

    def answer(self, path: str, query: Query, body: Any) -> Answer: ...


def said(value: Any, status: int = 200, **headers: str) -> Answer:
    return status, json.dumps(value).encode(), headers


def loaded(system: str, name: str) -> Any:
    return json.loads((RECORDED / system / f"{name}.json").read_text())


@dataclass
class StandIn:
    """A server in front of whatever is recorded; what it was asked is kept."""

    store: Recorded
    url: str = ""
    trouble: list[Answer] = field(default_factory=list)
    """Answers to the next requests, whatever they ask."""
    asked: list[tuple[str, Query, Any, Mapping[str, str]]] = field(default_factory=list)


@contextmanager
def serving(store: Recorded) -> Iterator[StandIn]:
    """A server for as long as it is wanted."""
    stand_in = StandIn(store)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: Any) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            stand_in.asked.append((parts.path, query, body, dict(self.headers)))
            if stand_in.trouble:
                status, content, headers = stand_in.trouble.pop(0)
            else:
                status, content, headers = stand_in.store.answer(parts.path, query, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Phoenix:
    """Phoenix as recorded at t0 to t3."""

    def __init__(self, time: int) -> None:
        pages = ("t0_spans_p1", "t0_spans_p2") if time < 3 else ("t3_spans_all",)
        self.spans = [row for page in pages for row in loaded("phoenix", page)["data"]]
        self.annotations = {
            what: loaded("phoenix", f"t{time}_{what}_annotations")["data"]
            for what in ("span", "trace")
        }

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert body is None
        what = path.rpartition("/")[2]
        if what == "spans":
            return self._page(self._after(query), query)
        kind = what.removesuffix("_annotations")
        ids = set(query[f"{kind}_ids"])
        known = {row["context"][f"{kind}_id"] for row in self.spans}
        if len(query[f"{kind}_ids"]) > 1000:
            return 422, (RECORDED / "phoenix/err_1001_ids.txt").read_bytes(), {}
        if not ids & known:
            return 404, (RECORDED / "phoenix/err_unknown_ids.txt").read_bytes(), {}
        rows = [row for row in self.annotations[kind] if row[f"{kind}_id"] in ids]
        return self._page(rows, query)

    def _after(self, query: Query) -> list[Any]:
        since = datetime.fromisoformat(query["start_time"][0])
        return [row for row in self.spans if datetime.fromisoformat(row["start_time"]) >= since]

    def _page(self, rows: list[Any], query: Query) -> Answer:
        ids = [row["id"] for row in rows]
        cursor, limit = query.get("cursor", [""])[0], int(query["limit"][0])
        start = ids.index(cursor) if cursor in ids else 0
        following = ids[start + limit : start + limit + 1]
        after = following[0] if following else None
        return said({"data": rows[start : start + limit], "next_cursor": after})


class MLflow:
    """MLflow as recorded at t0 to t4."""

    NAMES = ("t0_search_p1", "t1_search", "t2_search", "t3_search", "t4_search_after_evaluate")

    def __init__(self, time: int) -> None:
        names = ("t0_search_p1", "t0_search_p2") if time == 0 else (self.NAMES[time],)
        self.traces = [row for name in names for row in loaded("mlflow", name)["traces"]]
        self.whole = loaded("mlflow", "t0_batchGet")["traces"]

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        if path.endswith("batchGet"):
            ids = query["trace_ids"]
            return said({"traces": [t for t in self.whole if t["trace_info"]["trace_id"] in ids]})
        limit = body["max_results"]
        if limit > 500:
            return 400, (RECORDED / "mlflow/err_501.json").read_bytes(), {}
        since_s = int(body["filter"].rpartition(" ")[2]) / 1000
        rows = [
            row
            for row in self.traces
            if datetime.fromisoformat(row["request_time"]).timestamp() >= since_s
        ]
        rows.sort(key=lambda row: (row["request_time"], row["trace_id"]))
        start = int(body.get("page_token", "0"))
        page = rows[start : start + limit]
        return said(
            {
                "traces": page,
                **({"next_page_token": str(start + limit)} if len(page) == limit else {}),
            }
        )


class LiteLLM:
    """The rows of LiteLLM's spend logs as recorded, over its API."""

    def __init__(self, at_once: int = 2) -> None:
        self.rows = loaded("litellm", "spend_logs_rows")["rows"]
        self.at_once = at_once

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert (path, body) == ("/spend/logs/v2", None)
        since, until = (query[name][0].replace(" ", "T") for name in ("start_date", "end_date"))
        rows = [row for row in self.rows if since <= row["startTime"][:19] <= until]
        page = int(query["page"][0])
        some = rows[(page - 1) * self.at_once : page * self.at_once]
        return said({"data": some, "page": page, "total_pages": -(-len(rows) // self.at_once)})
