"""What humans said of the same calls: a file of labels, to hold a judge against.

JSON lines or CSV with a header; `trace_id` and `label` are needed, `span_id` and `judge` are not:

```
{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7", "label": "fail"}
```
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ExporterError
from .run import Case, Result

MAX_BYTES = 64 * 1024 * 1024

Meaning = Callable[[str], bool | None]
"""Whether a label is a pass; None where nobody knows it."""


@dataclass(frozen=True, slots=True)
class HumanLabel:
    """One call as a human judged it."""

    trace_id: str
    """Hexadecimal digits."""
    span_id: str
    """Empty: the trace's last call."""
    judge: str
    """The rule that was in question; empty: every rule."""
    is_pass: bool


def read_labels(path: Path, meaning: Meaning) -> list[HumanLabel]:
    """The labels of a file.

    Raises: ExporterError naming the line that cannot be used.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ExporterError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ExporterError(f"{path}: larger than 64 MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExporterError(f"{path}: not UTF-8") from error
    rows = _json_lines if text.lstrip()[:1] == "{" else _csv
    labels = [_label(row, meaning, f"{path}:{line}") for line, row in rows(text, path)]
    if not labels:
        raise ExporterError(f"{path}: no labels in it")
    return labels


def _json_lines(text: str, path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise ExporterError(f"{path}:{number}: not a JSON object")
        yield number, row


def _csv(text: str, path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    reader = csv.DictReader(text.splitlines())
    names = reader.fieldnames or []
    if not {"trace_id", "label"} <= set(names):
        raise ExporterError(f"{path}:1: a header with trace_id and label is needed")
    try:
        for row in reader:
            yield reader.line_num, dict(row)
    except csv.Error as error:
        raise ExporterError(f"{path}:{reader.line_num}: not CSV") from error


def _label(row: dict[str, object], meaning: Meaning, where: str) -> HumanLabel:
    trace_id, label = _text(row, "trace_id").lower(), row.get("label")
    if len(trace_id) != 32 or set(trace_id) - set("0123456789abcdef"):
        raise ExporterError(f"{where}: trace_id must have 32 hexadecimal digits")
    is_pass = label if isinstance(label, bool) else meaning(_text(row, "label"))
    if is_pass is None:
        raise ExporterError(
            f"{where}: a label that means neither pass nor fail; judges.labels of the "
            "configuration can say what it means"
        )
    span_id, judge = _text(row, "span_id").lower(), _text(row, "judge")
    return HumanLabel(trace_id, span_id, judge, is_pass)


def _text(row: dict[str, object], key: str) -> str:
    value = row.get(key)
    return value.strip() if isinstance(value, str) else ""


def matched(results: Iterable[Result], labels: Iterable[HumanLabel]) -> list[tuple[Result, bool]]:
    """Results beside what humans said of the same call, where both have an answer."""
    by_human = {(label.trace_id, label.span_id, label.judge): label.is_pass for label in labels}
    answered = [result for result in results if result.is_pass is not None]
    last: dict[tuple[str, str], Case] = {}
    for result in answered:
        key = (result.case.subject[0], result.rule.name)
        known = last.get(key)
        if known is None or known.call.call.end_ns <= result.case.call.call.end_ns:
            last[key] = result.case
    pairs = []
    for result in answered:
        trace_id, span_id = result.case.subject
        name = result.rule.name
        spans = [span_id, ""] if last[trace_id, name] is result.case else [span_id]
        keys = [(trace_id, span, judge) for span in spans for judge in (name, "")]
        human = next((by_human[key] for key in keys if key in by_human), None)
        if human is not None:
            pairs.append((result, human))
    return pairs
