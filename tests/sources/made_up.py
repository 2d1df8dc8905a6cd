"""Stores of which there is no recording, as their SDKs describe their answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.sources.standin import Answer, Query, said

TRACE, OBSERVATION = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
RUN = "01a2b3c4-d5e6-4f70-8a9b-0c1d2e3f4051"
AT = "2026-11-27T23:10:00.000Z"


def langfuse_score(name: str, value: Any, data_type: str = "NUMERIC", **more: Any) -> Any:
    """A score of version 3 of the API."""
    return {
        "id": f"score-{name}", "projectId": "p", "name": name, "source": "EVAL", "timestamp": AT,
        "environment": "prod", "createdAt": AT, "updatedAt": AT, "dataType": data_type,
        "value": value, "comment": "a text", "metadata": {},
        "subject": {"kind": "observation", "id": OBSERVATION, "traceId": TRACE}, **more,
    }  # fmt: skip


def former_score(row: Any) -> Any:
    """The same as version 2 of the API has it."""
    told = {key: value for key, value in row.items() if key != "subject"}
    told |= {"traceId": TRACE, "observationId": OBSERVATION}
    if row["dataType"] == "BOOLEAN":
        return {**told, "value": int(row["value"]), "stringValue": str(row["value"])}
    if row["dataType"] == "CATEGORICAL":
        return {**told, "value": 0, "stringValue": row["value"]}
    return told


def observation(number: int, kind: str = "GENERATION", **more: Any) -> Any:
    """An observation with its tokens."""
    return {
        "id": f"{number:016x}", "traceId": TRACE, "projectId": "p", "type": kind,
        "startTime": "2026-11-27T23:09:58.000Z", "endTime": AT, "name": f"call {number}",
        "completionStartTime": "2026-11-27T23:09:58.500Z", "level": "DEFAULT",
        "environment": "prod", "providedModelName": "gpt-4o-mini",
        "usageDetails": {"input": 100, "input_cached_tokens": 20, "output": 10, "total": 130},
        "costDetails": {"total": 5.0}, "totalCost": 5.0, **more,
    }  # fmt: skip


class Langfuse:
    """A project of Langfuse; `is_former`: a server of version 3."""

    def __init__(self, scores: Iterable[Any], calls: Iterable[Any] = (), *, is_former: bool = False,
                 at_once: int = 2) -> None:  # fmt: skip
        self.scores, self.calls = list(scores), list(calls)
        self.is_former = is_former
        self.at_once = at_once

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert body is None
        is_new = path in ("/api/public/v3/scores", "/api/public/v2/observations")
        if is_new == self.is_former:
            return said({"message": "not in this version"}, 404)
        of_scores = path.endswith("scores")
        since = datetime.fromisoformat(query["fromTimestamp" if of_scores else "fromStartTime"][0])
        until = datetime.fromisoformat(query["toTimestamp" if of_scores else "toStartTime"][0])
        key = "timestamp" if of_scores else "startTime"
        rows = self.scores if of_scores else self.calls
        rows = [row for row in rows if since <= datetime.fromisoformat(row[key]) < until]
        if self.is_former:
            page = int(query.get("page", ["1"])[0])
            pages = -(-len(rows) // self.at_once)
            some = rows[(page - 1) * self.at_once : page * self.at_once]
            told = [former_score(row) for row in some] if of_scores else some
            return said({"data": told, "meta": {"page": page, "totalPages": pages}})
        start = int(query.get("cursor", ["0"])[0])
        end = start + self.at_once
        meta = {"limit": 100, **({"cursor": str(end)} if end < len(rows) else {})}
        return said({"data": rows[start:end], "meta": meta})


def feedback(key: str, score: Any = None, value: Any = None, **more: Any) -> Any:
    """One feedback of LangSmith."""
    return {
        "id": f"00000000-0000-4000-8000-{abs(hash(key)) % 10**12:012d}", "created_at": AT,
        "modified_at": AT, "run_id": RUN, "trace_id": RUN, "session_id": RUN, "key": key,
        "score": score, "value": value, "comment": "a text", "correction": None,
        "feedback_source": {"type": "auto_eval", "metadata": {}}, "start_time": AT,
        "feedback_group_id": None, "comparative_experiment_id": None, "extra": None, **more,
    }  # fmt: skip


class LangSmith:
    """A tracing project of LangSmith."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self.rows = list(rows)

    def answer(self, path: str, query: Query, body: Any) -> Answer:
        assert (path, body) == ("/api/v1/feedback", None)
        since = datetime.fromisoformat(query["min_created_at"][0])
        rows = [row for row in self.rows if datetime.fromisoformat(row["created_at"]) >= since]
        start, limit = int(query["offset"][0]), int(query["limit"][0])
        return said(rows[start : start + limit])
