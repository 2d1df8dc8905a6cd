"""`/v1/verdicts` and `/v1/feedback`: our own format, checked against `schema.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft7Validator

from ...dialects import NO_SCORE, Result, score_of
from ...model import Rating
from ...score_items import InvalidItem, ScoreItem, text_of, time_ns_of

_RATINGS: Mapping[object, Rating] = {
    **dict.fromkeys(("positive", "thumbs_up", "up", "like"), "positive"),
    **dict.fromkeys(("negative", "thumbs_down", "down", "dislike"), "negative"),
    "neutral": "neutral",
}
_STARS: Mapping[int, Rating] = {
    1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive",
}  # fmt: skip


def read_verdicts(item: Mapping[str, Any]) -> ScoreItem:
    """One verdict.

    Raises: InvalidItem when it is none.
    """
    _require("verdict", item)
    if not {"verdict", "label", "score"} & item.keys():
        raise InvalidItem("allowed: at least one of verdict, label and score")
    result = Result(
        name=item["judge"],
        score=score_of(item.get("score")),
        label=item.get("label", ""),
        kind=item.get("kind", "llm"),
    )
    return _score_item(item, result, verdict=item.get("verdict"))


def read_feedback(item: Mapping[str, Any]) -> ScoreItem:
    """One rating.

    Raises: InvalidItem when it is none.
    """
    _require("feedback", item)
    if ("rating" in item) == ("stars" in item):
        raise InvalidItem("allowed: either rating or stars")
    rating = _STARS[int(item["stars"])] if "stars" in item else _rating(item["rating"])
    name = item.get("source", "user_feedback")
    return _score_item(item, Result(name, NO_SCORE, "", "human"), rating=rating)


def _rating(rating: object) -> Rating:
    if isinstance(rating, str):
        return _RATINGS[rating]
    if isinstance(rating, bool):
        return "positive" if rating else "negative"
    return "positive" if rating == 1 else "neutral" if rating == 0 else "negative"


def _score_item(item: Mapping[str, Any], result: Result, **more: Any) -> ScoreItem:
    return ScoreItem(
        result=result,
        item_id=text_of(item, "id"),
        trace_id=bytes.fromhex(item.get("trace_id", "")),
        span_id=bytes.fromhex(item.get("span_id", "")),
        response_id=text_of(item, "response_id"),
        time_ns=time_ns_of(item.get("time")),
        service=text_of(item, "service"),
        environment=text_of(item, "environment"),
        model=text_of(item, "model"),
        dimensions=item.get("dimensions", {}),
        **more,
    )


@cache
def _validator(kind: str) -> Draft7Validator:
    text = files(__package__).joinpath("schema.json").read_text(encoding="utf-8")
    return Draft7Validator(json.loads(text)["definitions"][kind])


def _require(kind: str, item: Mapping[str, Any]) -> None:
    for error in _validator(kind).iter_errors(item):
        schema, where = error.schema, ".".join(map(str, error.absolute_path))
        if error.validator == "additionalProperties" and "properties" in schema:
            raise InvalidItem(
                f"an unknown member; allowed: {', '.join(sorted(schema['properties']))}"
            )
        if error.validator == "required":
            raise InvalidItem(f"allowed: an object with {', '.join(schema['required'])}")
        allowed = schema.get("title", "a text of at most 256 characters")
        raise InvalidItem(f"{where}: allowed: {allowed}" if where else f"allowed: {allowed}")
